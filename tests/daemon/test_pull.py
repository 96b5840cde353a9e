"""A model comes from the Hub into the store: whole and checked, or not at all. The Hub is a stand-in."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from stardraftd.errors import (
    LicenseError,
    ModelDownloadError,
    ModelError,
    ModelFormatError,
    ModelUnsupportedError,
    PathError,
    RequestError,
)
from stardraftd.models import store as storing
from stardraftd.models.catalogue import KNOWN, OnHub, read_name
from stardraftd.models.hub import CUT_NOTICE
from stardraftd.models.hub_client import CHUNK_BYTES
from stardraftd.models.licenses import BIGCODE_OPENRAIL_M as OPENRAIL
from stardraftd.models.licenses import License, agree, agreements
from stardraftd.models.pull import Pulled, PullOptions, pull
from stardraftd.models.store import Store
from tests.support.hub import Hub, huggingface_hub_at
from tests.support.hub_place import Told, point_at
from tests.support.tiny_models import write_tiny_model
from tests.support.waiting import wait_until

REPOSITORY = "second-state/StarCoder2-3B-GGUF"
FILE = "starcoder2-3b-Q4_K_M.gguf"


class NetworkGoesAfter(Told):
    """Takes the Hub away as soon as bytes have arrived."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub

    def advance(self, done_bytes: int) -> None:
        super().advance(done_bytes)
        if len(self.positions) == 3:
            self._hub.redirect("*.gguf")


class Place(Struct):
    """A Hub with a small model on it, and an empty store."""

    hub: Hub
    store: Store
    model: Path
    told: Told

    def pull(self, model: str = "starcoder2-3b", /, *, accepts: bool = True, **options: object) -> Pulled:
        return pull(PullOptions(model=read_name(model), **options), self.store, self.told, lambda _: accepts)  # type: ignore[arg-type]

    def names(self) -> list[str]:
        return [entry.name for entry in self.store.entries()]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "m.gguf", vocabulary=4000)


@pytest.fixture
def place(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with Hub() as hub, huggingface_hub_at(hub, tmp_path / "hf"):
        point_at(hub.url, monkeypatch)
        hub.add(REPOSITORY, {FILE: model, "README.md": b"# A card\n"})
        yield Place(hub, Store(tmp_path / "models"), model, Told())


def test_a_known_model_is_downloaded_under_its_name_with_a_record_of_its_origin(place: Place) -> None:
    pulled = place.pull()

    assert not pulled.was_here
    entry = pulled.entry
    assert (entry.name, entry.quantization, entry.problem) == ("starcoder2-3b-Q4_K_M", "F32", "")
    assert Path(entry.path).read_bytes() == place.model.read_bytes()
    record = entry.record
    assert record is not None
    assert record.source == REPOSITORY
    assert record.file == FILE
    assert len(record.revision) == 40
    assert record.sha256 == hashlib.sha256(place.model.read_bytes()).hexdigest()
    assert record.license == "bigcode-openrail-m"
    assert place.told.positions[-1] == place.model.stat().st_size
    assert place.store.leftovers() == []


def test_what_is_here_is_not_downloaded_again_unless_that_is_asked_for(place: Place) -> None:
    place.pull()
    sent = place.hub.bytes_sent(FILE)
    assert place.pull().was_here
    assert place.hub.bytes_sent(FILE) == sent
    assert not place.pull(replace=True).was_here
    assert place.hub.bytes_sent(FILE) == 2 * sent


def test_any_file_of_any_repository_can_be_pulled_at_a_revision(place: Place) -> None:
    old = place.hub.add("someone/else", {"deep/other-Q8_0.gguf": place.model}, license="apache-2.0")
    place.hub.add("someone/else", {"README.md": b"it is gone"}, license="apache-2.0")
    pulled = place.pull(f"someone/else:deep/other-Q8_0.gguf@{old}")
    assert pulled.entry.name == "other-Q8_0"
    assert pulled.entry.record is not None
    assert pulled.entry.record.revision == old
    assert any("apache-2.0" in notice for notice in place.told.notices)
    with pytest.raises(ModelDownloadError, match="has no deep/other"):
        place.pull("someone/else:deep/other-Q8_0.gguf", name="newest")


def test_after_a_cut_connection_only_the_rest_is_fetched(place: Place) -> None:
    size = place.model.stat().st_size
    place.hub.cut(FILE, size // 3)
    place.hub.cut(FILE, size // 4, reset=True)
    place.pull()
    assert len(place.hub.transfers(FILE)) == 3
    # Whole chunks are kept: each of the two cuts may cost less than one.
    assert size <= place.hub.bytes_sent(FILE) < size + 2 * CHUNK_BYTES
    assert CUT_NOTICE in place.told.notices


def test_an_interrupted_pull_goes_on_where_it_stopped(place: Place) -> None:
    size = place.model.stat().st_size
    place.hub.cut(FILE, size // 2)
    with pytest.raises(ModelDownloadError, match="could not be reached"):
        pull(
            PullOptions(model=KNOWN["starcoder2-3b"]),
            place.store,
            NetworkGoesAfter(place.hub),
            lambda _: True,
        )
    assert place.names() == []
    place.hub.mend()
    place.pull()
    assert place.names() == ["starcoder2-3b-Q4_K_M"]
    assert place.hub.bytes_sent(FILE) < size * 1.3


def test_a_process_that_is_gone_leaves_what_arrived_for_the_next(place: Place) -> None:
    data = place.model.read_bytes()
    half = len(data) // 2
    # This is what a killed process leaves: the first half, under the checksum of the whole.
    place.store.unfinished(f"{hashlib.sha256(data).hexdigest()}.part").write_bytes(data[:half])
    place.pull()
    assert place.hub.bytes_sent(FILE) == len(data) - half
    assert place.hub.transfers(FILE)[0].range is not None


@pytest.mark.parametrize("from_start", [True, False])
def test_wrong_bytes_never_land(place: Place, from_start: bool) -> None:
    data = place.model.read_bytes()
    if from_start:
        place.hub.corrupt(FILE, len(data) // 2, 1)
    else:  # what an earlier attempt left was damaged on this disk
        part = place.store.unfinished(f"{hashlib.sha256(data).hexdigest()}.part")
        part.write_bytes(b"\0" + data[1 : len(data) // 2])
    with pytest.raises(ModelDownloadError, match="checksum"):
        place.pull()
    assert place.names() == []
    assert place.store.leftovers() == []
    place.hub.mend()
    assert place.pull().entry.problem == ""


def test_a_file_of_another_size_than_announced_never_lands(place: Place) -> None:
    place.hub.resize(FILE, place.model.stat().st_size - 100)
    with pytest.raises(ModelDownloadError):
        place.pull()
    assert place.names() == []


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (b"not a model at all" * 100, ModelFormatError),
        (b"GGUF\3\0\0\0" + b"\xff" * 200, ModelFormatError),
    ],
)
def test_a_download_that_is_no_model_is_refused_by_the_check(
    place: Place, broken: bytes, error: type[ModelError]
) -> None:
    place.hub.add(REPOSITORY, {FILE: broken})
    with pytest.raises(error):
        place.pull()
    assert place.names() == []
    assert place.store.leftovers() == []


def test_a_model_without_fill_in_the_middle_is_refused(place: Place, tmp_path: Path) -> None:
    chat = write_tiny_model(tmp_path / "chat.gguf", vocabulary=400, fim=False)
    place.hub.add("someone/chat", {"chat.gguf": chat})
    with pytest.raises(ModelUnsupportedError, match="fill-in-the-middle"):
        place.pull("someone/chat:chat.gguf")
    assert place.names() == []


def test_two_pulls_at_once_are_one(place: Place) -> None:
    hold = place.hub.hold(FILE, 1000)
    first = threading.Thread(target=place.pull)
    first.start()
    wait_until(hold.reached.is_set)
    second_told = Told()
    second = threading.Thread(
        target=pull,
        args=(PullOptions(model=KNOWN["starcoder2-3b"]), place.store, second_told, lambda _: True),
    )
    second.start()
    wait_until(lambda: second_told.notices)
    hold.release()
    wait_until(lambda: not first.is_alive() and not second.is_alive(), what="both pulls end")
    assert place.names() == ["starcoder2-3b-Q4_K_M"]
    assert place.hub.bytes_sent(FILE) == place.model.stat().st_size
    assert "waiting" in second_told.notices[0]


def test_a_full_disk_is_noticed_before_the_download(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "SPARE_BYTES", 10**18)
    with pytest.raises(PathError, match="GB free"):
        place.pull()
    assert place.hub.bytes_sent(FILE) == 0


def test_a_license_is_asked_for_once_and_recorded(place: Place) -> None:
    asked: list[License] = []

    def accepts(license: License) -> bool:
        asked.append(license)
        return len(asked) > 1

    options = PullOptions(model=KNOWN["starcoder2-3b"])
    with pytest.raises(LicenseError, match="OpenRAIL"):
        pull(options, place.store, place.told, accepts)
    assert agreements() == {}
    assert place.hub.requests == []
    pull(options, place.store, place.told, accepts)
    pull(PullOptions(model=KNOWN["starcoder2-3b"], replace=True), place.store, place.told, accepts)
    assert asked == [OPENRAIL, OPENRAIL]
    assert agreements()[OPENRAIL.key].model == "starcoder2-3b"


def test_a_record_of_agreements_that_cannot_be_read_is_not_overwritten(place: Place, tmp_path: Path) -> None:
    agree(OPENRAIL, "x")
    file = tmp_path / "state" / "licenses.json"
    file.write_text("{half")
    with pytest.raises(LicenseError, match="cannot be read"):
        place.pull()
    assert file.read_text() == "{half"


@pytest.mark.parametrize(
    ("status", "code", "sentence", "hint"),
    [
        (401, "GatedRepo", "only to those who have asked", "HF_TOKEN"),
        (401, "RepoNotFound", "no such repository", "hf auth login"),
        (403, "", "refuses", "hf auth login"),
        (404, "RevisionNotFound", "no such revision", "@"),
        (429, "", "fewer requests", "Wait"),
        (503, "", "could not answer", "later"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence_and_what_to_do(
    place: Place, status: int, code: str, sentence: str, hint: str
) -> None:
    place.hub.fail("/api/models/*", status, code, times=None)
    with pytest.raises(ModelDownloadError, match=sentence) as raised:
        place.pull(f"{REPOSITORY}:{FILE}")
    assert hint in raised.value.hint
    assert place.names() == []


def test_a_hub_that_is_busy_for_a_moment_is_waited_for(place: Place) -> None:
    place.hub.fail(f"*{FILE}", 429, retry_after=1, times=1, method="GET", server="hub")
    assert place.pull().entry.problem == ""


def test_a_network_that_is_gone_is_a_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(place.hub.dead_url, monkeypatch)
    with pytest.raises(ModelDownloadError, match="could not be reached") as raised:
        place.pull()
    assert "HTTPS_PROXY" in raised.value.hint


def test_offline_mode_is_respected_and_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelDownloadError, match="HF_HUB_OFFLINE"):
        place.pull()
    assert place.hub.requests == []


def test_a_copy_in_the_hubs_own_cache_is_used(place: Place) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(REPOSITORY, FILE, endpoint=place.hub.url)
    sent = place.hub.bytes_sent(FILE)
    assert place.pull().entry.problem == ""
    assert place.hub.bytes_sent(FILE) == sent
    assert any("cache" in notice for notice in place.told.notices)


def test_a_path_is_copied_and_a_taken_name_is_not_taken_for_it(place: Place, tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copy(place.model, mine)
    entry = place.pull(str(mine)).entry
    assert entry.name == "mine"
    assert entry.record is not None
    assert entry.record.how == "copied"
    other = tmp_path / "other" / "mine.gguf"
    other.parent.mkdir()
    shutil.copy(place.model, other)
    with pytest.raises(RequestError, match="already, from"):
        place.pull(str(other))
    assert place.pull(str(other), name="theirs").entry.name == "theirs"
    assert place.names() == ["mine", "theirs"]


def test_a_model_put_there_by_hand_is_a_model_and_a_broken_one_says_why(place: Place) -> None:
    place.store.folder.mkdir()
    shutil.copy(place.model, place.store.folder / "dropped.gguf")
    (place.store.folder / "half.gguf").write_bytes(place.model.read_bytes()[:5000])
    entries = {entry.name: entry for entry in place.store.entries()}
    assert entries["dropped"].problem == ""
    assert entries["dropped"].record is None
    assert entries["half"].problem
    assert place.store.find("drop").name == "dropped"


def test_a_record_says_nothing_of_another_file_under_its_name(place: Place, tmp_path: Path) -> None:
    entry = place.pull().entry
    write_tiny_model(Path(entry.path), vocabulary=400)
    assert place.store.find(entry.name).record is None
    assert json.loads(Path(entry.path).with_suffix(".json").read_text())["source"] == REPOSITORY


def test_removing_deletes_the_model_and_its_record(place: Place) -> None:
    entry = place.pull().entry
    place.store.remove(entry)
    assert [path.name for path in place.store.folder.iterdir()] == [".unfinished"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("starcoder", "not a model known here"),
        ("bigcode/starcoder2-3b", "names a repository"),
        ("a/b:c.safetensors", "does not name a GGUF"),
        ("a/b:../c.gguf", "does not name a GGUF"),
        ("a/b:m-00001-of-00002.gguf", "split"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_what_would(text: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as raised:
        read_name(text)
    assert raised.value.hint


def test_names_mean_a_known_model_a_file_on_the_hub_or_a_path(tmp_path: Path) -> None:
    assert read_name("StarCoder2-3B") is KNOWN["starcoder2-3b"]
    assert read_name("a/b:c/d.gguf@v1") == OnHub("a/b", "c/d.gguf", "v1")
    assert read_name(str(tmp_path / "x.gguf")) == tmp_path / "x.gguf"
