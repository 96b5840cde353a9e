"""Files of the Hugging Face Hub, brought here whole.

huggingface_hub does the transfer: its token, proxies, mirrors, offline mode and retries are those that its
users know. Two things are ours. It forgets what was downloaded when its process ends, so the unfinished file
is kept here and handed back to it; and it compares sizes only, so what arrived is hashed here and compared
with the checksum of the commit.
"""

import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from stardraftd.errors import ModelDownloadError, PathError, StardraftError
from stardraftd.models import hub_client
from stardraftd.paths import tilde

if TYPE_CHECKING:
    import hashlib as _hashlib

    Digest = _hashlib._Hash

MAX_LICENSE_CHARS = 200
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH_BYTES = 4 << 20
_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}

CUT_NOTICE = "The connection was lost; going on where it broke off."


class RemoteFile(Struct, frozen=True):
    """A file of a commit. `sha256` is that of a large file; a small one has Git's own `git_sha1`."""

    repository: str
    revision: str
    name: str
    size_bytes: int
    sha256: str = ""
    git_sha1: str = ""


class Listing(Struct, frozen=True):
    """A repository at a commit (`revision`, 40 digits); `license` is what its card says, "" for nothing."""

    repository: str
    revision: str
    license: str
    files: tuple[RemoteFile, ...]

    def find(self, name: str) -> RemoteFile | None:
        return next((file for file in self.files if file.name == name), None)


# What becomes a name on this computer is hexadecimal digits and nothing else; \Z: "$" lets a line end pass.
_Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Sha1 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}\Z")]
_Size = Annotated[int, Meta(ge=0, le=1 << 50)]


class _Lfs(Struct, frozen=True):
    sha256: _Sha256
    size: _Size


class _Sibling(Struct, frozen=True):
    rfilename: Annotated[str, Meta(min_length=1, max_length=4096)]
    size: _Size | None = None
    blobId: _Sha1 | None = None  # noqa: N815 - the Hub's own name
    lfs: _Lfs | None = None


class _Answer(Struct, frozen=True):
    """What is read of GET /api/models/OWNER/NAME/revision/REVISION?blobs=true."""

    sha: _Sha1
    siblings: list[_Sibling] | None = None
    cardData: Any = None  # noqa: N815 - the Hub's own name


def listing(repository: str, revision: str) -> Listing:
    """What a repository has at a branch, tag or commit. Raises ModelDownloadError.

    Also when the answer is not the Hub's: digests that are none, names that lead out of their folder, another
    commit than the one that was asked for.
    """
    what = f"{repository} at {revision}"
    hub_client.prepare()
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined,unused-ignore]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
        validate_repo_id,
    )

    with _explained(what):
        validate_repo_id(repository)
        response = get_session().get(
            f"{constants.ENDPOINT}/api/models/{repository}/revision/{quote(revision, safe='')}",
            params={"blobs": "true"},
            headers=build_hf_headers(library_name="stardraft"),
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )
        hf_raise_for_status(response)
        content = response.content
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except msgspec.ValidationError as error:
        raise hub_client.not_the_hub(what, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise hub_client.not_the_hub(what, "it does not answer in JSON") from error
    if _COMMIT.fullmatch(revision) and answer.sha != revision:
        raise hub_client.not_the_hub(what, f"it gives another commit, {answer.sha}")
    license = answer.cardData.get("license") if isinstance(answer.cardData, dict) else None
    return Listing(
        repository,
        answer.sha,
        license[:MAX_LICENSE_CHARS] if isinstance(license, str) else "",
        tuple(_file(what, repository, answer.sha, sibling) for sibling in answer.siblings or ()),
    )


def _file(what: str, repository: str, commit: str, sibling: _Sibling) -> RemoteFile:
    if not _is_inside(sibling.rfilename):
        raise hub_client.not_the_hub(what, f"it has a file named {sibling.rfilename[:80]!r}")
    lfs = sibling.lfs
    return RemoteFile(
        repository=repository,
        revision=commit,
        name=sibling.rfilename,
        size_bytes=lfs.size if lfs else sibling.size or 0,
        sha256=lfs.sha256 if lfs else "",
        git_sha1="" if lfs else sibling.blobId or "",
    )


def _is_inside(name: str) -> bool:
    """Whether a file's name stays in its folder, on every system. Git itself has none that do not."""
    return not any(char in name for char in "\0\\") and not {"", ".", ".."} & set(name.split("/"))


def in_cache(repository: str, revision: str, name: str) -> Path | None:
    """The file in huggingface_hub's own cache, if an earlier download by any program left it there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def download(
    file: RemoteFile, unfinished: Path, on_bytes: Callable[[int], None], on_notice: Callable[[str], None]
) -> None:
    """Brings `file` to `unfinished`, going on behind what is there already, and compares its checksum.

    `on_bytes` gets how many bytes are there by now. Raises ModelDownloadError; what has arrived stays for
    the next time, unless its checksum is wrong: then it is removed. Raises PathError when the disk is full.
    """
    if not file.sha256 and not file.git_sha1:
        raise hub_client.not_the_hub(file.repository, f"it tells no checksum of {file.name}")
    hub_client.prepare()
    with (
        hub_client.file_of(file.size_bytes),
        _explained(f"{file.repository}: {file.name}"),
        _notices(on_notice),
        unfinished.open("ab") as out,
    ):
        if out.tell() > file.size_bytes:
            out.truncate(0)
        while not _arrived(file, out, on_bytes):
            on_notice(CUT_NOTICE)
    verify(file, unfinished)


def _arrived(file: RemoteFile, out: BinaryIO, on_bytes: Callable[[int], None]) -> bool:
    """Fetches what is missing of a file. False when the connection was cut after it had brought something."""
    from huggingface_hub import errors, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined,unused-ignore]

    start = out.seek(0, os.SEEK_END)
    on_bytes(start)
    try:
        http_get(
            hf_hub_url(file.repository, file.name, revision=file.revision),
            out,
            resume_size=start,
            headers=build_hf_headers(library_name="stardraft"),
            expected_size=file.size_bytes,
            tqdm_class=_counter(on_bytes),
        )
    except errors.HfHubHTTPError:
        raise
    except errors.HTTPError:  # type: ignore[attr-defined,unused-ignore]  # of its HTTP library
        if out.seek(0, os.SEEK_END) > start:
            return False
        raise
    return True


def verify(file: RemoteFile, path: Path, on_bytes: Callable[[int], None] = lambda _done: None) -> None:
    """Compares the checksum of what arrived. Removes it and raises ModelDownloadError if it is another."""
    size_bytes = path.stat().st_size
    if file.sha256:
        expected, digest = file.sha256, hashlib.sha256()
    else:  # gitformat: a blob's name is the hash of "blob SIZE\0" and its bytes
        expected = file.git_sha1
        digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    found = hash_file(path, digest, on_bytes)
    if found != expected:
        path.unlink(missing_ok=True)
        raise ModelDownloadError(
            f"{file.name} of {file.repository} did not arrive as it was sent: its checksum is "
            f"{found[:16]}... and should be {expected[:16]}... It was deleted.",
            "Try again. If it happens again, something between here and the Hub changes files.",
        )


def hash_file(path: Path, digest: "Digest", on_bytes: Callable[[int], None] = lambda _done: None) -> str:
    """The hexadecimal digest of a file."""
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_HASH_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done)
    return digest.hexdigest()


def _counter(on_bytes: Callable[[int], None]) -> Any:
    """What huggingface_hub takes for a progress bar, and is none: it only counts."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    class Counter(tqdm):  # type: ignore[misc,type-arg,unused-ignore]
        def __init__(self, *args: Any, **options: Any) -> None:
            self.arrived = int(options.get("initial") or 0)
            on_bytes(self.arrived)
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += int(n or 0)
            on_bytes(self.arrived)
            return None

    return Counter


@contextmanager
def _notices(on_notice: Callable[[str], None]) -> Iterator[None]:
    """While it is open, huggingface_hub's warnings ("Trying to resume download...") go to `on_notice`."""

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the handler's own signature
            on_notice(CUT_NOTICE)

    logger = logging.getLogger("huggingface_hub.file_download")
    handler, propagates = Forward(logging.WARNING), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns what huggingface_hub and its HTTP library raise into a sentence and what to do."""
    from httpx2 import InvalidURL
    from huggingface_hub import errors

    try:
        yield
    except InvalidURL as error:
        raise ModelDownloadError(
            f"{what} cannot be asked for: {_said(error)}", "HF_ENDPOINT names the Hub: look at its spelling."
        ) from error
    except errors.HFValidationError as error:
        raise ModelDownloadError(f"{what}: {error}", "Write OWNER/REPOSITORY:FILE.gguf.") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelDownloadError(
            f"{what} is not on this computer, and downloads are off (HF_HUB_OFFLINE is set).",
            "Unset HF_HUB_OFFLINE, or give the path of a file: stardraft model pull PATH",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(what, error) from error
    except errors.HTTPError as error:  # type: ignore[attr-defined,unused-ignore]  # of its HTTP library
        raise _unreached(what, error) from error
    except OverflowError as error:  # a port that is none
        raise _unreached(what, error) from error
    except ValueError as error:  # such as a length that is no number
        raise hub_client.not_the_hub(what, f"its answer cannot be read ({error})") from error
    except OSError as error:
        raise _failed(what, error) from error


def _unreached(what: str, error: Exception) -> ModelDownloadError:
    proxies = hub_client.proxies()
    through = f"the proxy in {' and '.join(proxies)}" if proxies else "HTTPS_PROXY if there is a proxy"
    return ModelDownloadError(
        f"The Hub could not be reached for {what}: {_said(error)}",
        f"Check the network, and {through}; then try again. What arrived is kept.",
    )


def _refused(what: str, error: Any) -> StardraftError:
    """What the Hub's answer means. The Hub says of a repository that is private that there is none."""
    from huggingface_hub import errors

    log_in = "Log in with `hf auth login`, or set HF_TOKEN"
    not_there = {
        errors.RepositoryNotFoundError: (
            "there is no such repository on the Hub, or it is private",
            f"Check the name. {log_in} if it is private.",
        ),
        errors.RevisionNotFoundError: ("there is no such revision", "Check what follows the @."),
        errors.EntryNotFoundError: ("there is no such file", "Check the file's name."),
    }
    if isinstance(error, errors.GatedRepoError):
        return ModelDownloadError(
            f"{what} is given only to those who have asked for it on the Hub.",
            f"Open its page at huggingface.co, accept its terms there. {log_in}, then try again.",
        )
    for kind, (happened, hint) in not_there.items():
        if isinstance(error, kind):
            return ModelNotThereError(f"{what}: {happened}.", hint)
    status = error.response.status_code if error.response is not None else 0
    happened, hint = {
        401: ("refuses it", f"{log_in}, then try again."),
        403: ("refuses it", f"{log_in}, then try again."),
        429: ("asks for fewer requests", "Wait some minutes and try again; what has arrived is kept."),
    }.get(status, ("could not answer", "Try again later; what has arrived is kept."))
    return ModelDownloadError(f"{what}: the Hub {happened} ({status}).", hint)


class ModelNotThereError(ModelDownloadError):
    """There is no such repository, revision or file: another place may have it."""


def _failed(what: str, error: OSError) -> StardraftError:
    if error.errno in _DISK_FULL:
        return PathError(
            f"The disk is full: {what} could not be written.",
            "Free some space and try again; what has arrived is kept.",
        )
    if error.errno is None:  # huggingface_hub's own: the size is another than was announced
        return ModelDownloadError(
            f"{what} did not arrive whole: {str(error).splitlines()[0] if str(error) else error!r}",
            "Try again; what has arrived is kept.",
        )
    where = f" {tilde(Path(error.filename))}" if error.filename else ""
    return PathError(
        f"{what} could not be written:{where} {error.strerror}.",
        "Make the folder of models writable, or name another with STARDRAFT_MODELS_DIR.",
    )


def _said(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if text.endswith(".") else f"{text}."
