"""What a model's license asks of a user, and what that person has agreed to.

An agreement is asked for once for each license and recorded in the state folder, with the day and the model
that it was given for. The summary here is ours; the agreement itself is what counts.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from stardraftd.errors import LicenseError, PathError
from stardraftd.files import atomic
from stardraftd.files.atomic import now, write_json
from stardraftd.paths import state_dir, tilde


class License(Struct, frozen=True):
    """A license. `points` are sentences in our own words, `url` is where the text itself stands."""

    key: str
    name: str
    url: str
    questions_url: str
    points: tuple[str, ...]


BIGCODE_OPENRAIL_M = License(
    key="bigcode-openrail-m",
    name="BigCode OpenRAIL-M v1",
    url="https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement",
    questions_url="https://www.bigcode-project.org/docs/pages/bigcode-openrail/",
    points=(
        "You may use the model, also commercially, change it and share it, free of charge.",
        "You may not use it to break the law, to harm minors, or to exploit or discriminate against people.",
        "You may not use it to make malware or anything else that is meant to harm electronic systems.",
        "You may not use it to spread false or personal information in order to harm others, or to harass.",
        "You may not use it to deceive people by posing as a human being.",
        "What you publish of its output must say that it is machine-generated.",
        "You may not let it decide by itself about people's rights, or use it for medical advice.",
        "Whoever you give the model to, changed or quantized too, must be bound by the same restrictions.",
        "The model can repeat code that it was trained on, and that code's license may ask for attribution.",
    ),
)

LICENSES = {license.key: license for license in (BIGCODE_OPENRAIL_M,)}


class Agreement(Struct, frozen=True):
    """That a license was agreed to: when (UTC, ISO 8601), for which model, and which text that was."""

    accepted_at: str
    model: str
    name: str
    url: str


def agreements_path() -> Path:
    return state_dir() / "licenses.json"


def agreements() -> dict[str, Agreement]:
    """What was agreed to, by the license's key. Raises LicenseError when the record cannot be read."""
    path = agreements_path()
    try:
        return msgspec.json.decode(atomic.read(path, own=True), type=dict[str, Agreement])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise LicenseError(
            f"What you agreed to cannot be read from {tilde(path)}: {_reason(error)}.",
            "Move that file away; you are then asked again.",
        ) from error


def agree(license: License, model: str) -> None:
    """Records that the user agrees. Raises PathError when that cannot be written."""
    path = agreements_path()
    agreed = {**agreements(), license.key: Agreement(now(), model, license.name, license.url)}
    try:
        write_json(path, agreed)
    except OSError as error:
        raise PathError(
            f"Your agreement cannot be recorded in {tilde(path)}: {error.strerror}.",
            "Make that folder writable, or name another with STARDRAFT_STATE_DIR.",
        ) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
