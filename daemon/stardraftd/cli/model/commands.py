"""`stardraft model ...`: the models of this computer. `pull`, `use` and `plan` are in files beside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stardraftd.cli import shell_words
from stardraftd.cli.model import plan as model_plan
from stardraftd.cli.model import pull as model_pull
from stardraftd.cli.model import use as model_use
from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import show_warning
from stardraftd.console.asking import confirm
from stardraftd.console.printable import tell
from stardraftd.errors import ConfigError, RequestError
from stardraftd.models import BUILT_IN

if TYPE_CHECKING:
    from stardraftd.models.store import Entry

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def commands() -> typer.Typer:
    """The group."""
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=examples(
            "stardraft model plan                   what fits on this computer",
            "stardraft model pull starcoder2-3b     get the real model, 1.9 GB",
            "stardraft model use starcoder2-3b      from now on it is the one that runs",
        ),
    )
    app.callback(invoke_without_command=True)(_model)
    app.command("list", epilog=examples("stardraft model list", "stardraft model list --json"))(list_models)
    app.command("plan", epilog=model_plan.EXAMPLES)(model_plan.plan)
    app.command("pull", epilog=model_pull.EXAMPLES)(model_pull.pull)
    app.command("use", epilog=model_use.EXAMPLES)(model_use.use)
    app.command("info", epilog=examples("stardraft model info starcoder2-3b-Q4_K_M"))(info)
    app.command(
        "remove",
        epilog=examples(
            "stardraft model remove starcoder2-3b-Q8_0", "stardraft model remove --unfinished  half downloads"
        ),
    )(remove)
    app.command("license", epilog=examples("stardraft model license", "stardraft model license --accept"))(
        license_
    )
    return app


def _model(context: typer.Context) -> None:
    """Get, choose and remove models.

    A small built-in model is always there. Others are GGUF files in one folder; `stardraft model list` names
    it, and a file that you put there yourself is a model too.
    """
    if context.invoked_subcommand is None:
        tell(context.get_help())


def list_models(json: Json = False) -> None:
    """List the models here, and those to pull by name.

    The one that is in use is marked with a star. Every file is checked while it is listed, and one that
    cannot be used says why.
    """
    from stardraftd.models.catalogue import KNOWN
    from stardraftd.models.store import Store

    store, is_known = Store(), True
    entries = store.entries()
    try:
        current = model_use.configured()
    except ConfigError as error:  # what is here can be told without it
        show_warning(f"{error.message} So which model is in use is not known.", error.hint)
        current, is_known = None, False
    if json:
        in_use = str(current) if current else BUILT_IN
        _print_json(
            {
                "folder": str(store.folder),
                "in_use": in_use if is_known else None,
                "models": entries,
                "known": list(KNOWN.values()),
            }
        )
        return
    from stardraftd.cli.output.terminal import entry as row
    from stardraftd.cli.output.terminal import out, paragraph, write
    from stardraftd.cli.output.wording import size
    from stardraftd.paths import builtin_model_path, tilde

    builtin = builtin_model_path()
    rows = [
        (
            is_known and current is None,
            BUILT_IN,
            size(builtin.stat().st_size),
            "Q8_0",
            "comes with stardraft, a toy",
        ),
        *(
            (
                _is(current, entry),
                entry.name,
                size(entry.size_bytes),
                entry.quantization or "?",
                _origin(entry),
            )
            for entry in entries
        ),
    ]
    width = max(len(row[1]) for row in rows)
    for is_used, name, size_shown, quantization, told in rows:
        star = "*" if is_used else " "
        label = f"{star} {name:<{width}}  {size_shown:>8}  {quantization:<7}"
        row(out(), label, told, label_width=len(label) + 2)
    if current is not None and not any(_is(current, entry) for entry in entries):
        write(out(), f"* {tilde(current)}, outside the folder of models")
    write(out(), "")
    paragraph(out(), f"The folder of models is {tilde(store.folder)}.", "dim")
    missing = [name for name in KNOWN if not any(entry.name.startswith(name) for entry in entries)]
    if missing:
        paragraph(out(), f"To be had by name: {', '.join(missing)} (stardraft model pull NAME).", "dim")
    if left := store.leftovers():
        from stardraftd.models.store import size_of

        total = size(sum(size_of(path) for path in left))
        paragraph(out(), f"Unfinished downloads take {total} (stardraft model remove --unfinished).", "dim")


def info(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model that is here, or a path to a GGUF.",
            autocompletion=shell_words.models_here,
        ),
    ],
    json: Json = False,
) -> None:
    """Show what a model is and where it came from.

    All of it is read from the file, and from the record that `stardraft model pull` keeps beside it: source,
    revision, checksum, license.
    """
    from stardraftd.models.catalogue import KNOWN
    from stardraftd.models.licenses import agreements
    from stardraftd.models.store import Store, check

    path = Store().file_of(name)
    header = check(path)
    entry = next((entry for entry in Store().entries() if Path(entry.path) == path), None)
    record = entry.record if entry else None
    facts = _facts(path, header, record)
    if json:
        _print_json({**facts, "record": record})
        return
    from stardraftd.cli.output.terminal import entry as row
    from stardraftd.cli.output.terminal import out, write
    from stardraftd.paths import with_tildes

    if record is not None and record.license in agreements():
        facts["license"] = f"{facts['license']} (accepted {agreements()[record.license].accepted_at[:10]})"
    for label, value in facts.items():
        told = f"{value:,}" if isinstance(value, int) else with_tildes(str(value))
        row(out(), label.replace("_", " "), told, label_width=14, style="bold")
    if any(path.name.startswith(known) for known in KNOWN):
        write(out(), "\nWhat it needs here: stardraft model plan", "dim")


def _facts(path: Path, header: Any, record: Any) -> dict[str, Any]:
    architecture = header.architecture
    facts: dict[str, Any] = {
        "name": header.name or path.stem,
        "path": str(path),
        "size_bytes": header.file_size_bytes,
        "architecture": architecture,
        "quantization": header.file_type,
        "layers": header.n_layers,
        "context": header.integer(f"{architecture}.context_length", 0),
        "vocabulary": header.vocabulary_size,
        "a_key_costs": "the prompt (recurrent: its cache cannot be cut)"
        if header.is_recurrent
        else "a token",
        "license": _license(path, header, record),
    }
    if record is not None:
        facts |= {"how": record.how, "source": record.source, "sha256": record.sha256}
        facts |= {key: value for key in ("file", "revision") if (value := getattr(record, key))}
        facts["added"] = record.added_at
    return facts


def _license(path: Path, header: Any, record: Any) -> str:
    """Of the built-in model, whose file does not say it: stardraft's own, with which it comes."""
    from stardraftd.models import BUILT_IN_LICENSE
    from stardraftd.paths import builtin_model_path

    said: str = (record.license if record else "") or header.text("general.license", "")
    if not said and path == builtin_model_path():
        return BUILT_IN_LICENSE
    return said or "not said in the file"


def remove(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models of the folder.",
            show_default=False,
            autocompletion=shell_words.removable_models,
        ),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Delete what is left of downloads that did not end.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete models from the folder.

    The model that is in use is not deleted: choose another one first.
    """
    from stardraftd.cli.output.wording import size
    from stardraftd.models.store import Store

    if not names and not unfinished:
        raise RequestError("No model was named.", "Name one; `stardraft model list` shows them.")
    store, current = Store(), model_use.configured()
    entries = [store.find(name) for name in names or ()]
    for entry in entries:
        if _is(current, entry):
            raise RequestError(
                f"{entry.name} is the model in use.", f"Choose another first: stardraft model use {BUILT_IN}"
            )
    if entries:
        total = size(sum(entry.size_bytes for entry in entries))
        if not yes:
            named = ", ".join(entry.name for entry in entries)
            confirm(f"Delete {named} ({total})?", otherwise="Nothing was deleted")
    for entry in entries:
        store.remove(entry)
        tell(f"{entry.name} is deleted.")
    if unfinished:
        has_some, freed = bool(store.leftovers()), store.clear_leftovers()
        tell(
            f"Unfinished downloads are deleted: {size(freed)}."
            if has_some
            else "There are no unfinished downloads."
        )


def license_(
    accept: Annotated[bool, typer.Option("--accept", help="Accept it; this is asked for once.")] = False,
) -> None:
    """Show the StarCoder2 models' license.

    In short, with where to read it whole, and whether you have accepted it. Before the first download it has
    to be accepted once, here or when it is asked for.
    """
    from stardraftd.models.licenses import BIGCODE_OPENRAIL_M, agree, agreements

    license = BIGCODE_OPENRAIL_M
    model_pull.show_license(license)
    if accept and license.key not in agreements():
        agree(license, "starcoder2")
    if (agreed := agreements().get(license.key)) is not None:
        tell(f"\nYou accepted it on {agreed.accepted_at[:10]}.")
    else:
        tell("\nYou have not accepted it yet: stardraft model license --accept")


def _is(current: Path | None, entry: "Entry") -> bool:
    return current is not None and Path(entry.path) == current


def _origin(entry: "Entry") -> str:
    if entry.problem:
        return f"cannot be used: {entry.problem}"
    record = entry.record
    if record is None:
        return "put there by you"
    if record.how == "quantized":
        return f"made here from {record.source}"
    return f"from {record.source}"


def _print_json(value: object) -> None:
    import msgspec

    from stardraftd.cli.output.terminal import raw_out

    raw_out().write(msgspec.json.encode(value) + b"\n")
