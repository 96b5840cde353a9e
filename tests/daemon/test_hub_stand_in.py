"""The real huggingface_hub takes the stand-in for the Hub, also when things go wrong."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, errors, get_hf_file_metadata, hf_hub_url, snapshot_download
from huggingface_hub.file_download import http_get

from tests.support.hub import Hub, huggingface_hub_at
from tests.support.waiting import DEADLINE_S, seconds, wait_until

REPO = "bigcode/starcoder2-3b"
CONFIG = b'{"model_type": "starcoder2"}'
MODEL = hashlib.shake_256(b"a model").digest(300_000)
FILES = {"README.md": b"---\nlicense: bigcode-openrail-m\n---\n", "config.json": CONFIG, "model.gguf": MODEL}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        hub.add(REPO, FILES)
        yield hub


@pytest.fixture
def pauses(hub: Hub, tmp_path: Path) -> Iterator[list[float]]:
    with huggingface_hub_at(hub, tmp_path / "home") as pauses:
        yield pauses


@pytest.fixture
def api(hub: Hub, pauses: list[float]) -> HfApi:
    return HfApi(endpoint=hub.url, token=False)


@pytest.fixture
def download(api: HfApi, tmp_path: Path) -> Callable[..., Path]:
    """`hf_hub_download` to a folder, as a program would call it."""

    def download(file: str = "model.gguf", **more: object) -> Path:
        arguments: Any = {"repo_id": REPO, "local_dir": tmp_path / "models", "token": False, **more}
        return Path(api.hf_hub_download(filename=file, **arguments))

    return download


def resume(hub: Hub, path: Path, file: str = "model.gguf") -> None:
    """Goes on with a file on disk from where it ends, once, as a downloader of our own would."""
    metadata = get_hf_file_metadata(hf_hub_url(REPO, file, endpoint=hub.url), token=False)
    with path.open("ab") as out:
        http_get(metadata.location, out, resume_size=out.tell(), expected_size=metadata.size, _nb_retries=0)


# Healthy.


def test_a_model_says_what_it_has(hub: Hub, api: HfApi) -> None:
    info = api.model_info(REPO, files_metadata=True)
    assert info.card_data is not None
    assert info.siblings is not None
    assert (info.private, info.gated, info.card_data.license) == (False, False, "bigcode-openrail-m")
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    assert sizes == {name: len(content) for name, content in FILES.items()}
    large = next(sibling for sibling in info.siblings if sibling.rfilename == "model.gguf")
    assert large.lfs is not None
    assert (large.lfs.sha256, large.lfs.size) == (hashlib.sha256(MODEL).hexdigest(), len(MODEL))
    bare = api.model_info(REPO)
    assert bare.sha == info.sha
    assert bare.siblings is not None
    assert {sibling.size for sibling in bare.siblings} == {None}


def test_paths_and_trees_show_sizes_and_hashes(hub: Hub, api: HfApi) -> None:
    hub.add(REPO, {**FILES, "onnx/large/model.bin": b"weights"})
    (model,) = api.get_paths_info(REPO, ["model.gguf", "no such file"])
    assert model.path == "model.gguf"
    assert model.lfs.sha256 == hashlib.sha256(MODEL).hexdigest()  # type: ignore[union-attr]
    shallow = {entry.path for entry in api.list_repo_tree(REPO)}
    assert shallow == {*FILES, "onnx"}
    deep = {entry.path for entry in api.list_repo_tree(REPO, recursive=True)}
    assert deep == {*FILES, "onnx", "onnx/large", "onnx/large/model.bin"}
    assert {entry.path for entry in api.list_repo_tree(REPO, "onnx/large")} == {"onnx/large/model.bin"}


def test_small_files_come_from_the_hub_and_large_ones_from_elsewhere(hub: Hub, pauses: list[float]) -> None:
    small = get_hf_file_metadata(hf_hub_url(REPO, "config.json", endpoint=hub.url), token=False)
    assert small.size == len(CONFIG)
    assert small.etag == hashlib.sha1(b"blob %d\0" % len(CONFIG) + CONFIG).hexdigest()
    assert small.location.startswith(hub.url)
    large = get_hf_file_metadata(hf_hub_url(REPO, "model.gguf", endpoint=hub.url), token=False)
    assert (large.size, large.etag) == (len(MODEL), hashlib.sha256(MODEL).hexdigest())
    assert large.location.startswith(hub.cdn_url)
    assert large.xet_file_data is None


def test_files_arrive_whole(hub: Hub, download: Callable[..., Path]) -> None:
    assert download("model.gguf").read_bytes() == MODEL
    assert download("config.json").read_bytes() == CONFIG
    assert hub.bytes_sent("model.gguf") == len(MODEL)
    assert [request.server for request in hub.transfers("model.gguf")] == ["cdn"]
    assert [request.server for request in hub.transfers("config.json")] == ["hub"]


def test_a_snapshot_has_every_file(hub: Hub, pauses: list[float], tmp_path: Path) -> None:
    snapshot_download(REPO, endpoint=hub.url, local_dir=tmp_path / "all", token=False)
    assert {name: (tmp_path / "all" / name).read_bytes() for name in FILES} == FILES


def test_a_file_on_disk_is_sent_as_it_is(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(MODEL)
    hub.add("someone/else", {"weights": source})
    path = api.hf_hub_download("someone/else", "weights", local_dir=tmp_path / "models")
    assert Path(path).read_bytes() == MODEL


def test_revisions_stay_and_main_is_the_newest(hub: Hub, download: Callable[..., Path], api: HfApi) -> None:
    old = api.model_info(REPO).sha
    new = hub.add(REPO, {"config.json": b"{}"})
    assert api.model_info(REPO).sha == new != old
    assert api.model_info(REPO, revision=old).sha == old
    assert download("config.json").read_bytes() == b"{}"
    assert download("config.json", revision=old).read_bytes() == CONFIG
    tagged = hub.add(REPO, {"config.json": b"[]"}, revision="ab" * 20, branch="refs/pr/1")
    assert tagged == "ab" * 20
    assert api.model_info(REPO, revision="refs/pr/1").sha == tagged
    assert api.model_info(REPO).sha == new


def test_a_part_of_a_file_can_be_asked_for(hub: Hub, pauses: list[float], tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(MODEL[:1000])
    resume(hub, path)
    assert path.read_bytes() == MODEL
    (transfer,) = hub.transfers("model.gguf")
    assert (transfer.range, transfer.status, transfer.bytes_sent) == ("bytes=1000-", 206, len(MODEL) - 1000)


def test_nothing_behind_the_end_can_be_asked_for(hub: Hub, pauses: list[float], tmp_path: Path) -> None:
    path = tmp_path / "too long"
    path.write_bytes(MODEL + b"more")
    with pytest.raises(errors.HfHubHTTPError) as raised:
        resume(hub, path)
    assert raised.value.response.status_code == 416
    assert raised.value.response.headers["Content-Range"] == f"bytes */{len(MODEL)}"


# Who may read.


def test_a_gated_model_is_seen_by_all_and_read_by_its_token(
    hub: Hub, api: HfApi, download: Callable[..., Path]
) -> None:
    hub.add(REPO, FILES, gated=True, private_token="hf_allowed")
    hub.know("hf_stranger")
    assert api.model_info(REPO).gated == "manual"
    for token, status in ((False, 401), ("hf_stranger", 403)):
        with pytest.raises(errors.GatedRepoError) as raised:
            download(token=token)
        assert raised.value.response.status_code == status
    assert download(token="hf_allowed").read_bytes() == MODEL
    (transfer,) = hub.transfers("model.gguf")
    assert transfer.token is None, "the token is not for the CDN"


def test_a_private_model_is_not_there_for_others(hub: Hub, api: HfApi, download: Callable[..., Path]) -> None:
    hub.add(REPO, FILES, private_token="hf_allowed")
    hub.know("hf_stranger")
    for token, status in ((False, 401), ("hf_stranger", 404)):
        for attempt in (partial(download, token=token), partial(api.model_info, REPO, token=token)):
            with pytest.raises(errors.RepositoryNotFoundError) as raised:
                attempt()
            assert raised.value.response.status_code == status
            assert not isinstance(raised.value, errors.GatedRepoError)
    assert api.model_info(REPO, token="hf_allowed").private
    assert download(token="hf_allowed").read_bytes() == MODEL


def test_a_wrong_token_is_refused_everywhere(hub: Hub, api: HfApi) -> None:
    with pytest.raises(errors.HfHubHTTPError, match="Invalid credentials") as raised:
        api.model_info(REPO, token="hf_expired")
    assert type(raised.value) is errors.HfHubHTTPError
    assert raised.value.response.status_code == 401


# What is not there.


def test_what_is_not_there_has_its_own_errors(hub: Hub, api: HfApi, download: Callable[..., Path]) -> None:
    with pytest.raises(errors.RepositoryNotFoundError):
        download(repo_id="bigcode/starcoder4")
    with pytest.raises(errors.RevisionNotFoundError):
        download(revision="no-such-branch")
    with pytest.raises(errors.RemoteEntryNotFoundError):
        download("no-such-file")
    with pytest.raises(errors.RepositoryNotFoundError):
        api.model_info("bigcode/starcoder4")
    with pytest.raises(errors.RevisionNotFoundError):
        api.model_info(REPO, revision="0" * 40)


# Trouble.


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "GatedRepo", errors.GatedRepoError),
        (403, "", errors.HfHubHTTPError),
        (404, "RepoNotFound", errors.RepositoryNotFoundError),
        (404, "RevisionNotFound", errors.RevisionNotFoundError),
        (404, "EntryNotFound", errors.RemoteEntryNotFoundError),
        (429, "", errors.HfHubHTTPError),
        (503, "", errors.HfHubHTTPError),
    ],
)
def test_any_refusal_can_be_asked_for(
    hub: Hub, api: HfApi, status: int, code: str, expected: type[errors.HfHubHTTPError]
) -> None:
    hub.fail(f"/api/models/{REPO}", status, code, "as the test wants it", times=1)
    with pytest.raises(expected, match="as the test wants it") as raised:
        api.model_info(REPO)
    assert type(raised.value) is expected
    assert raised.value.response.status_code == status
    assert api.model_info(REPO).id == REPO, "once was asked for"


def test_a_hub_that_is_busy_is_asked_again_after_the_time_it_names(
    hub: Hub, download: Callable[..., Path], pauses: list[float]
) -> None:
    hub.fail("model.gguf", 429, retry_after=30, times=2, server="cdn")
    assert download().read_bytes() == MODEL
    assert pauses == [31, 31], "huggingface_hub adds a second"


def test_a_hub_that_is_down_for_a_while_is_asked_again(
    hub: Hub, download: Callable[..., Path], pauses: list[float]
) -> None:
    down = hub.fail("model.gguf", 503, times=3, server="hub", method="HEAD")
    assert download().read_bytes() == MODEL
    assert down.n_hits == 3
    assert pauses == [1, 2], "the first repetition is at once"


def test_a_hub_that_stays_down_is_given_up(
    hub: Hub, download: Callable[..., Path], pauses: list[float]
) -> None:
    hub.fail("*/resolve/*", 503, times=None)
    with pytest.raises(errors.LocalEntryNotFoundError) as raised:
        download()
    assert isinstance(raised.value.__cause__, errors.HfHubHTTPError)
    assert sum(pauses) > 20, "which without the stand-in's care would be a slow test"
    hub.mend()
    assert download().read_bytes() == MODEL


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_loses_nothing_that_was_written(
    hub: Hub, pauses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reset: bool
) -> None:
    import httpx2
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # what is not a whole chunk yet is lost
    path = tmp_path / "partial"
    hub.cut("model.gguf", after_bytes=100_000, reset=reset)
    hub.cut("model.gguf", after_bytes=0, times=None)
    with pytest.raises(httpx2.ReadError if reset else httpx2.RemoteProtocolError):
        resume(hub, path)
    hub.mend()
    written = path.stat().st_size
    assert written == 100_000 or reset, "a reset may overtake the bytes before it"
    assert written % 1000 == 0
    resume(hub, path)
    assert path.read_bytes() == MODEL
    assert hub.bytes_sent("model.gguf") == 100_000 + len(MODEL) - written


def test_the_library_goes_on_by_itself_after_a_cut(
    hub: Hub, download: Callable[..., Path], pauses: list[float]
) -> None:
    hub.cut("model.gguf", after_bytes=100_000, times=2)
    assert download().read_bytes() == MODEL
    assert pauses == [1, 1]


def test_a_range_can_be_ignored(hub: Hub, pauses: list[float], tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(MODEL[:1000])
    hub.ignore_range("model.gguf")
    resume(hub, path)
    assert path.read_bytes() == MODEL
    (transfer,) = hub.transfers("model.gguf")
    assert (transfer.range, transfer.status) == ("bytes=1000-", 200)


def test_wrong_bytes_arrive_unnoticed(hub: Hub, download: Callable[..., Path]) -> None:
    hub.corrupt("model.gguf", offset=200_000, n_bytes=3)
    wrong = download().read_bytes()
    assert [i for i in range(len(MODEL)) if MODEL[i] != wrong[i]] == [200_000, 200_001, 200_002]
    assert len(wrong) == len(MODEL)


def test_wrong_bytes_keep_their_place_in_a_resumed_file(
    hub: Hub, pauses: list[float], tmp_path: Path
) -> None:
    path = tmp_path / "partial"
    path.write_bytes(MODEL[:1000])
    hub.corrupt("model.gguf", offset=999, n_bytes=2)
    resume(hub, path)
    assert path.read_bytes() == MODEL[:1000] + bytes([MODEL[1000] ^ 0xFF]) + MODEL[1001:]


@pytest.mark.parametrize("size", [len(MODEL) - 1, len(MODEL) + 1])
def test_a_wrong_size_is_noticed(hub: Hub, download: Callable[..., Path], size: int) -> None:
    hub.resize("model.gguf", size)
    with pytest.raises(OSError, match="Consistency check failed"):
        download()


def test_a_dead_host_is_refused_at_once(hub: Hub, download: Callable[..., Path], pauses: list[float]) -> None:
    import httpx2

    hub.redirect("model.gguf", server="hub")
    with pytest.raises(httpx2.ConnectError):
        download()


def test_a_transfer_stands_still_for_as_long_as_the_test_needs(
    hub: Hub, download: Callable[..., Path], tmp_path: Path
) -> None:
    hold = hub.hold("model.gguf", after_bytes=70_000)
    done: list[Path] = []
    thread = threading.Thread(target=lambda: done.append(download()))
    thread.start()
    wait_until(hold.reached.is_set, what="the transfer came to the place")
    assert not done
    assert hub.bytes_sent("model.gguf") == 70_000
    hold.release()
    thread.join(seconds(DEADLINE_S))
    assert done[0].read_bytes() == MODEL


def test_the_end_of_the_stand_in_lets_everybody_go(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with Hub() as hub, huggingface_hub_at(hub, tmp_path):
        hub.add(REPO, FILES)
        hold = hub.hold("config.json")
        api = HfApi(endpoint=hub.url, token=False)
        folder = tmp_path / "models"
        thread = threading.Thread(target=lambda: api.hf_hub_download(REPO, "config.json", local_dir=folder))
        thread.start()
        wait_until(hold.reached.is_set, what="the transfer came to the place")
        hub.mend()
        thread.join(seconds(DEADLINE_S))
    assert set(threading.enumerate()) <= before


def test_a_program_of_its_own_finds_the_stand_in(hub: Hub, tmp_path: Path) -> None:
    program = "import huggingface_hub as h; print(h.hf_hub_download('bigcode/starcoder2-3b', 'model.gguf'))"
    environment = hub.environment(
        tmp_path, base={"HF_TOKEN": "hf_mine", "https_proxy": hub.dead_url, "HTTP_PROXY": hub.dead_url}
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    path = Path(done.stdout.strip())
    assert path.is_relative_to(tmp_path)
    assert path.read_bytes() == MODEL
    assert {request.token for request in hub.requests} == {None}


def test_faults_of_one_kind_follow_one_another(hub: Hub, api: HfApi) -> None:
    hub.fail(f"/api/models/{REPO}", 404, "RevisionNotFound")
    hub.fail(f"/api/models/{REPO}", 403)
    with pytest.raises(errors.RevisionNotFoundError):
        api.model_info(REPO)
    with pytest.raises(errors.HfHubHTTPError, match="403"):
        api.model_info(REPO)
    assert api.model_info(REPO).id == REPO
