"""`python -m stardraft_quant.bench.typing.make_traces`: makes traces by typing an edit again (`typist`).

python -m stardraft_quant.bench.typing.make_traces --out DIR FILE_BEFORE FILE_AFTER
python -m stardraft_quant.bench.typing.make_traces --out DIR --commits REPOSITORY
python -m stardraft_quant.bench.typing.make_traces --out DIR --retype FUNCTION FILE
"""

import argparse
import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stardraft_quant.bench.typing.traces import Trace, TraceError, encode_trace
from stardraft_quant.bench.typing.typist import differences, make_trace
from stardraftd.console.prose import counted
from stardraftd.errors import StardraftError

MAX_TRACE_BYTES = 60_000  # of one that `--commits` writes


def commit_traces(repository: Path, limit: int, seed: int) -> Iterator[Trace]:
    """Traces of the newest commits' small changes of Python files. Raises TraceError without git."""
    listing = _git(
        repository, "log", "--no-merges", "--diff-filter=M", "--name-only", "--format=%x00%H %s", "--", "*.py"
    )
    n_found = 0
    for entry in listing.split("\0")[1:]:
        title, *paths = [line for line in entry.splitlines() if line]
        commit, _, subject = title.partition(" ")
        for path in paths:
            before, after = (_git(repository, "show", f"{at}:{path}") for at in (f"{commit}~", commit))
            n_typed = sum(len(new) for _start, _old, new in differences(before, after))
            if n_found == limit or not 120 <= n_typed <= 2000:
                continue
            name = f"{Path(path).stem}-{commit[:7]}"
            trace = make_trace(before, after, name, seed, source=f"{path}, commit {commit[:12]}: {subject}")
            if len(encode_trace(trace)) <= MAX_TRACE_BYTES:
                n_found += 1
                yield trace


def retype_trace(file: Path, function: str, seed: int) -> Trace:
    """A trace of typing one function or class of a file, the rest of which stands. Raises TraceError."""
    after = _read(file)
    found = [
        node
        for node in ast.walk(ast.parse(after))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == function
    ]
    if not found:
        raise TraceError(f"{file} has no function or class {function}.", "Name one that is in the file.")
    lines = after.splitlines(keepends=True)
    first, last = found[0].lineno - 1, found[0].end_lineno or found[0].lineno
    before = "".join(lines[:first] + lines[last:])
    return make_trace(
        before, after, f"{file.stem}-{function}", seed, source=f"{file.name}: {function}, typed again"
    )


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"") or str(error).encode()
        raise TraceError(
            f"The commits of {repository} cannot be read: {told.decode(errors='replace').strip()}",
            "Name a folder with a git repository.",
        ) from error
    return done.stdout.decode(errors="replace").replace("\r\n", "\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} cannot be read: {error}.", "Name a text file in UTF-8.") from error


def _wanted(given: argparse.Namespace) -> Iterator[Trace]:
    if given.commits is not None:
        yield from commit_traces(given.commits, given.limit, given.seed)
    elif given.retype is not None and len(given.files) == 1:
        yield retype_trace(given.files[0], given.retype, given.seed)
    elif given.retype is None and len(given.files) == 2:
        before, after = given.files
        source = f"{before.name} to {after.name}"
        yield make_trace(_read(before), _read(after), after.stem, given.seed, source=source)
    else:
        raise TraceError(
            "There is nothing to make a trace of.",
            "Give FILE_BEFORE FILE_AFTER, --commits, or --retype and a FILE.",
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stardraft_quant.bench.typing.make_traces",
        description="Make traces by typing an edit again.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="FILE_BEFORE FILE_AFTER")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Where the traces are written."
    )
    parser.add_argument("--commits", type=Path, metavar="REPOSITORY", help="Type its newest commits again.")
    parser.add_argument("--limit", type=int, default=20, help="The most traces of --commits.")
    parser.add_argument("--retype", metavar="FUNCTION", help="Type a function of FILE again.")
    parser.add_argument("--seed", type=int, default=0, help="Decides the times, errors and acceptances.")
    given = parser.parse_args(arguments)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        for trace in _wanted(given):
            path = given.out / f"{trace.name}.json"
            path.write_bytes(encode_trace(trace))
            size = counted(len(trace.text.encode()), "byte")
            print(f"{path}: {counted(len(trace.events), 'event')} on {size}")
    except (StardraftError, OSError) as error:
        parser.exit(1, f"{error}\n{getattr(error, 'hint', '')}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
