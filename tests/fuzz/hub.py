"""A hostile Hub: listings and files changed at random, pulled by the real program into an empty store.

Whatever answers, a pull ends with the model as it was published or with an error of ours, in bounded time,
and touches nothing outside the store.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stardraftd.errors import StardraftError
from stardraftd.models import hub_client
from stardraftd.models.catalogue import OnHub
from stardraftd.models.pull import PullOptions, pull
from stardraftd.models.store import Store
from tests.fuzz import Deadline, Report
from tests.support.hub import Hub, huggingface_hub_at
from tests.support.hub_place import Told, point_at
from tests.support.tiny_models import write_tiny_model

CASES = 8
REPOSITORY, FILE = "someone/models", "m-F32.gguf"
API = "/api/models/*"
VICTIM = b"another program's"
# A pull that waits for what never comes would be a fault; this is far over what a case takes.
SLOW_S = 20.0
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**300, 0.5, -0.0, "", "a", "\0", ".", "..",
    "/", "../victim", "../../victim", "/etc/passwd", "..\\victim", "a/../../victim", "\x1b[31m", "\u202e",
    "0" * 40, "0" * 64, "f" * 64, "F" * 64, "0" * 65, "x" * 5000, [], {}, [[]], {"a": {}}, FILE, FILE.upper(),
)  # fmt: skip


def run(random: Random, deadline: Deadline) -> Report:
    """Pulls from a Hub that is changed in another way in each case."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sd-hub-") as place, pytest.MonkeyPatch.context() as patch:
        top = Path(place)
        patch.setenv("STARDRAFT_STATE_DIR", str(top / "state"))
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        patch.setattr(hub_client, "ANSWER_TIMEOUT_S", 1.0)
        patch.setattr(hub_client, "MAX_ANSWER_BYTES", 1 << 20)
        model = write_tiny_model(top / "m.gguf", vocabulary=400)
        with Hub() as hub, huggingface_hub_at(hub, top / "hf"):
            point_at(hub.url, patch)
            commit = hub.add(REPOSITORY, {FILE: model, "README.md": b"# A card\n"}, license="apache-2.0")
            for case in deadline.cases():
                report.n_cases += 1
                changes = _spoil(random, hub, model.stat().st_size)
                revision = random.choice(("main", commit))
                outcome = _pulled(top, case, revision, hashlib.sha256(model.read_bytes()).hexdigest())
                hub.mend()
                report.outcomes[outcome] += 1
                if outcome.startswith("FAULT"):
                    report.faults.append(f"case {case}, {changes}: {outcome}")
    return report


def _pulled(top: Path, case: int, revision: str, sha256: str) -> str:
    """How one pull ended; "FAULT ..." for what must not be."""
    home = top / f"case-{case}"
    home.mkdir()
    for name in ("victim", "victim.part", "victim.gguf"):
        (home / name).write_bytes(VICTIM)
    before = {path for path in top.iterdir() if path.name != "hf"}
    store = Store(home / "models")
    began = time.monotonic()
    try:
        entry = pull(
            PullOptions(model=OnHub(REPOSITORY, FILE, revision)), store, Told(), lambda _: True
        ).entry
        landed = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
        outcome = "the model" if landed == sha256 else "FAULT: another file than was published"
    except StardraftError as error:
        outcome = type(error).__name__ if error.message and error.hint else f"FAULT: no advice: {error}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        outcome = f"FAULT: {type(error).__name__}: {error}"
    if time.monotonic() - began > SLOW_S:
        outcome = f"FAULT: {time.monotonic() - began:.0f} s, then {outcome}"
    theirs = {path.name for path in home.iterdir()} - {"models"}
    if theirs != {"victim", "victim.part", "victim.gguf"} or any(
        (home / name).read_bytes() != VICTIM for name in theirs
    ):
        outcome = f"FAULT: files beside the store: {theirs}"
    shutil.rmtree(home)
    if strange := {path for path in top.iterdir() if path.name not in ("hf", "state")} - before:
        outcome = f"FAULT: files elsewhere: {strange}"
    return outcome


def _spoil(random: Random, hub: Hub, size_bytes: int) -> list[str]:
    """Asks the stand-in for one to three things that go wrong; what they are, to be read."""
    ways: dict[str, Callable[[], object]] = {
        "values of the listing": lambda: hub.lie(API, lambda answer: _changed(random, answer)),
        "bytes of the listing": lambda: hub.lie(API, lambda answer: _torn(random, answer)),
        "an endless listing": lambda: hub.endless(API, random.choice((b" " * 65536, b"[", b'{"a":'))),
        "an endless file": lambda: hub.endless("*.gguf", random.randbytes(random.choice((1, 65536)))),
        "a cut file": lambda: hub.cut(
            FILE, random.randrange(size_bytes), times=random.randrange(1, 4), reset=random.random() < 0.5
        ),
        "another size": lambda: hub.resize(FILE, random.randrange(2 * size_bytes)),
        "wrong bytes": lambda: hub.corrupt(FILE, random.randrange(size_bytes), random.randrange(1, 9)),
        "no Range": lambda: hub.ignore_range(FILE),
        "a status": lambda: hub.fail(
            random.choice((API, FILE, "*")),
            random.choice((301, 400, 401, 403, 404, 408, 416, 418, 429, 500, 503, 504)),
            random.choice(("", "RepoNotFound", "EntryNotFound", "GatedRepo", "\x1b[31m")),
            headers=random.choice(({}, {"Retry-After": "9" * random.randrange(1, 30)})),
            times=random.choice((1, None)),
        ),
        "headers": lambda: hub.lie(random.choice((API, "*.gguf")), headers=_headers(random)),
        "a redirect": lambda: hub.redirect(
            random.choice((API, FILE)),
            random.choice((hub.dead_url, f"{hub.url}/nothing", "file:///etc/passwd", "//", "http://[")),
        ),
    }  # fmt: skip
    chosen = random.sample(sorted(ways), random.choice((1, 1, 2, 3)))
    for way in chosen:
        ways[way]()
    return chosen


def _headers(random: Random) -> dict[str, str]:
    names = ("Content-Encoding", "Content-Range", "Retry-After", "Location", "ETag", "RateLimit")
    values = ("gzip", "br", "bytes 0-1/2", "-1", "9" * 30, "../x", "x" * 3000, '"a";r=0;t=9', "")
    return {random.choice(names): random.choice(values)}


def _changed(random: Random, answer: Any) -> Any:
    """The answer with one to four of its values replaced, removed or doubled."""
    for _ in range(random.randrange(1, 5)):
        places = [*_places(answer)]
        if not places:
            return answer
        holder, key = random.choice(places)
        match random.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder += [holder[key]] * random.choice((1, 100))
            case _:
                holder[key] = random.choice(ODD)
    return answer


def _places(value: Any) -> Any:
    """Every value inside, as (what holds it, its key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in list(items):
        yield value, key
        yield from _places(inside)


def _torn(random: Random, answer: Any) -> bytes:
    """The answer's text with some bytes changed, cut off or put in."""
    text = bytearray(json.dumps(answer).encode())
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(text) + 1)
        match random.randrange(3):
            case 0:
                text[at : at + 1] = random.randbytes(1)
            case 1:
                del text[at : at + random.randrange(1, 50)]
            case _:
                text[at:at] = random.choice((b"[" * 2000, b'{"a":' * 2000, b"\0", b"\xff", b"e999"))
    return bytes(text)
