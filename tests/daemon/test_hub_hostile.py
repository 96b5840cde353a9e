"""Whoever answers in the Hub's place: nothing outside the store is touched, and every answer ends."""

import gzip
import resource
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from stardraftd.errors import ModelDownloadError, ModelError
from stardraftd.models import hub_client
from stardraftd.models.catalogue import read_name
from stardraftd.models.pull import PullOptions, pull
from stardraftd.models.store import Store
from tests.support.hub import Hub, huggingface_hub_at
from tests.support.hub_place import Told, point_at

REPOSITORY, FILE = "someone/models", "m-Q8_0.gguf"
CONTENT = b"GGUF" + bytes(300_000)
VICTIM = b"another program's"
Change = Callable[[Any], Any]


class Place(Struct):
    """A hostile Hub, an empty store, and files beside it that are another program's."""

    hub: Hub
    store: Store
    outside: Path

    def pull(self, revision: str = "main") -> None:
        pull(
            PullOptions(model=read_name(f"{REPOSITORY}:{FILE}@{revision}")),
            self.store,
            Told(),
            lambda _: True,
        )

    def refuses(self, change: Change) -> None:
        """The listing with this change is not taken for the Hub's."""
        self.hub.lie("/api/models/*", change, times=1)
        with pytest.raises(ModelDownloadError, match="is not the Hub"):
            self.pull()

    def untouched(self) -> bool:
        there = {path.relative_to(self.outside) for path in self.outside.rglob("*") if path.is_file()}
        theirs = {Path("victim.part"), Path("victim")}
        ours = {path for path in there if path.parts[0] == "models"}
        return there - ours == theirs and all((self.outside / path).read_bytes() == VICTIM for path in theirs)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("victim", "victim.part"):
        (home / name).write_bytes(VICTIM)
    with Hub() as hub, huggingface_hub_at(hub, tmp_path / "hf"):
        point_at(hub.url, monkeypatch)
        hub.add(REPOSITORY, {FILE: CONTENT, "README.md": b"# A card\n"}, license="apache-2.0")
        yield Place(hub, Store(home / "models"), home)


def changed(key: str, value: object) -> Change:
    """An answer with another value somewhere: "siblings.0.lfs.sha256"."""

    def change(answer: Any) -> Any:
        *parents, last = (int(part) if part.isdecimal() else part for part in key.split("."))
        inside = answer
        for part in parents:
            inside = inside[part]
        inside[last] = value
        return answer

    return change


LFS = "siblings.1.lfs"  # of the model's file; 0 is README.md
PATHS = ["../../victim", "/tmp/victim", "..\\..\\victim", "", ".", "a/b", "\0", "~/victim", "victim\n"]


@pytest.mark.parametrize("key", [f"{LFS}.sha256", "sha", "siblings.0.blobId", "siblings.1.blobId"])
def test_a_digest_is_hexadecimal_digits_or_the_answer_is_not_the_hubs(place: Place, key: str) -> None:
    for value in (*PATHS, "A" * 64, "g" * 40, "0" * 63, "0" * 4000, "0" * 40 + "\n", 5, [], {}, True):
        place.refuses(changed(key, value))
    assert place.untouched()
    assert place.hub.transfers(FILE) == []


def test_a_files_name_stays_in_its_folder_or_the_answer_is_not_the_hubs(place: Place) -> None:
    outside = ("../../victim", "/tmp/victim", "a/../../victim", "..\\..\\victim", "..")
    for name in (*outside, "", "a//b", "./a", "a/", "a\0b", 7, None):
        place.refuses(changed("siblings.0.rfilename", name))
    assert place.untouched()


@pytest.mark.parametrize("key", [f"{LFS}.size", "siblings.0.size"])
def test_a_size_is_a_number_of_bytes_or_the_answer_is_not_the_hubs(place: Place, key: str) -> None:
    for size in (-1, 1 << 60, 10**400, 1.5, "7", True):
        place.refuses(changed(key, size))


def test_an_answer_of_another_shape_is_not_the_hubs(place: Place) -> None:
    for content in (
        b"<html>log in</html>",
        b"\xff\xfe{}",
        b"",
        b"[" * 1_000_000,
        b'{"siblings":' + b'{"a":' * 500_000,
        b"[]",
        b"{}",
    ):
        place.refuses(lambda _, content=content: content)
    for value in ({"a": 1}, [None], 5, "text"):
        place.refuses(changed("siblings", value))
    place.refuses(changed(LFS, "sha256"))


def test_a_card_of_any_shape_says_no_license(place: Place) -> None:
    for card in ("text", ["apache-2.0"], {"license": ["a", "b"]}, {"license": {"a": 1}}, 5, None):
        place.hub.lie("/api/models/*", changed("cardData", card), times=1)
        with pytest.raises(ModelError, match=r"GGUF|tensor|header|metadata"):
            place.pull()


def test_the_commit_that_was_asked_for_is_the_one_that_comes(place: Place) -> None:
    asked = place.hub.add(REPOSITORY, {FILE: CONTENT}, license="apache-2.0")
    place.hub.lie("/api/models/*", changed("sha", "f" * 40))
    with pytest.raises(ModelDownloadError, match="another commit, ffff"):
        place.pull(asked)
    assert place.hub.transfers(FILE) == []


def test_a_file_without_a_checksum_is_not_downloaded(place: Place) -> None:
    place.hub.lie("/api/models/*", changed("siblings.1", {"rfilename": FILE, "size": len(CONTENT)}))
    with pytest.raises(ModelDownloadError, match="no checksum"):
        place.pull()
    assert place.hub.transfers(FILE) == []


@pytest.mark.parametrize("resumed", [False, True])
def test_a_body_longer_than_announced_ends_where_it_was_to_end(place: Place, resumed: bool) -> None:
    if resumed:
        sha256 = place.hub.add(REPOSITORY, {FILE: CONTENT}, license="apache-2.0") and _sha256(CONTENT)
        place.store.unfinished(f"{sha256}.part").write_bytes(CONTENT[:1000])
    place.hub.endless(FILE, bytes(65536))
    with pytest.raises(ModelDownloadError, match="goes on after"):
        place.pull()
    assert max((path.stat().st_size for path in place.store.leftovers()), default=0) <= len(CONTENT)


@pytest.mark.parametrize("pattern", ["/api/models/*", FILE])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "nonsense"])
def test_nothing_compressed_is_taken(place: Place, pattern: str, encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    place.hub.lie(pattern, lambda _: bomb, headers={"Content-Encoding": encoding})
    with limited_memory(300), pytest.raises(ModelDownloadError, match="compresses"):
        place.pull()
    asked = [request.headers["accept-encoding"] for request in place.hub.requests]
    assert set(asked) == {"identity"}


@pytest.mark.parametrize("status", [200, 404, 500, 302])
def test_an_answer_without_end_ends(place: Place, status: int) -> None:
    if status == 302:
        place.hub.redirect("/api/models/*", f"{place.hub.url}/api/models/elsewhere/x")
    elif status != 200:
        place.hub.fail("/api/models/*", status, times=None)
    place.hub.endless("/api/models/*")
    with limited_memory(300), pytest.raises(ModelDownloadError, match="goes on after"):
        place.pull()


def test_an_answer_that_drips_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "ANSWER_TIMEOUT_S", 0.2)
    place.hub.endless("/api/models/*", b" ")
    with pytest.raises(ModelDownloadError, match="takes more than"):
        place.pull()


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "99999999"}, {"RateLimit": '"api";r=0;t=99999999'}, {"Retry-After": "9" * 5000}],
)
def test_a_wish_to_be_asked_again_in_years_is_an_answer(place: Place, headers: dict[str, str]) -> None:
    place.hub.fail(FILE, 429, headers=headers, times=None)
    with pytest.raises(ModelDownloadError, match="fewer requests"):
        place.pull()


@pytest.mark.parametrize("value", ["gzip", "bytes 0-1/x", "bytes */-", "9" * 5000])
def test_a_length_that_is_none_is_not_the_hubs(place: Place, value: str) -> None:
    place.hub.lie(FILE, headers={"Content-Range": value})
    with pytest.raises(ModelDownloadError, match="is not the Hub"):
        place.pull()


def test_a_circle_of_redirects_ends(place: Place) -> None:
    place.hub.redirect("*", f"{place.hub.url}/api/models/{REPOSITORY}")
    with pytest.raises(ModelDownloadError):
        place.pull()


def limited_memory(megabytes: int) -> Any:
    """Fails a test that takes more memory than this over what it had."""
    return _Limited(megabytes)


class _Limited:
    def __init__(self, megabytes: int) -> None:
        self._bytes = megabytes << 20

    def __enter__(self) -> None:
        self._before = _peak_bytes()

    def __exit__(self, *_error: object) -> None:
        assert _peak_bytes() - self._before < self._bytes


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


@contextmanager
def answering(begin: bytes, again: bytes) -> Iterator[str]:
    """A server that sends `begin`, and then `again` every now and then; its address."""
    is_over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the other side left
                self.request.recv(65536)
                self.request.sendall(begin)
                while not is_over.wait(0.01):
                    self.request.sendall(again)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            is_over.set()
            server.shutdown()


@pytest.mark.parametrize(
    ("begin", "again"), [(b"HTTP/1.1 200 OK\r\nX: ", b"a"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")]
)
def test_an_answer_that_never_begins_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch, begin: bytes, again: bytes
) -> None:
    monkeypatch.setattr(hub_client, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(hub_client, "HEAD_TIMEOUT_S", 0.2)
    with answering(begin, again) as url:
        point_at(url, monkeypatch)
        with pytest.raises(ModelDownloadError, match="takes more than"):
            place.pull()


def test_of_very_many_names_some_are_told(place: Place) -> None:
    names = [{"rfilename": f"{i}.gguf", "size": 1} for i in range(5000)]
    place.hub.lie("/api/models/*", lambda answer: {**answer, "siblings": names}, times=1)
    with pytest.raises(ModelDownloadError) as caught:
        place.pull()
    assert "0.gguf, 1.gguf" in caught.value.hint
    assert "and 4,980 more" in caught.value.hint
    assert len(caught.value.hint) < 1000
