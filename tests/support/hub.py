"""A stand-in of the Hugging Face Hub, as far as downloading models goes: a real HTTP server on this machine.

The real `huggingface_hub` talks to it: repositories' metadata, file listings, and files with their ETag,
sha256, Range and redirects, as the Hub sends them (without Xet). Large files (LFS_SUFFIXES, and any given as
a path) come from a second server with a port of its own, since the Hub's come from another host too. Tests
give repositories as plain data, ask for faults, and read what was asked for and sent in `requests`.

Here is what tests call. The rooms behind it: `hub_contents.py`, `hub_faults.py`, `hub_http.py`. There is no
uploading, no searching, no data sets.
"""

import contextlib
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import pytest

from tests.support.hub_contents import MAIN, Contents, HubFile, Repository, refuse, told_otherwise
from tests.support.hub_faults import (
    Corruption,
    Cut,
    Endless,
    Faults,
    Hold,
    Lie,
    RangeIgnored,
    Redirect,
    Refusal,
    Resizing,
)
from tests.support.hub_http import Answer, Form, Request, Server


class Hub:
    """The stand-in, from `with` to the end of the block. Its servers are reached at once, under `url`."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._faults = Faults()
        self._servers = {name: Server(name, self._answer, self._faults) for name in ("hub", "cdn")}
        self._contents = Contents(cdn_url=self._servers["cdn"].url)
        # Bound and not listening: whoever connects is refused, and nobody else can get the port.
        self._dead = socket.socket()
        self._dead.bind(("127.0.0.1", 0))
        self.url = self._servers["hub"].url
        """What HF_ENDPOINT or `endpoint=` is to be."""
        self.cdn_url = self._servers["cdn"].url
        self.dead_url = f"http://127.0.0.1:{self._dead.getsockname()[1]}"
        """A host that refuses connections: for redirects, as a proxy, or as an endpoint."""

    def __enter__(self) -> "Hub":
        for server in self._servers.values():
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mend()
        for server in self._servers.values():
            server.stop()
        self._dead.close()
        broken = [bug for server in self._servers.values() for bug in server.broken]
        if error is None and broken:
            raise AssertionError("the stand-in itself is broken") from broken[0]

    # What is on the Hub.

    def add(
        self,
        repo: str,
        files: Mapping[str, bytes | Path],
        *,
        revision: str | None = None,
        branch: str = MAIN,
        license: str = "bigcode-openrail-m",
        gated: bool = False,
        private_token: str | None = None,
        base_model: str | None = None,
    ) -> str:
        """Adds a revision, which is then the newest of its branch, and returns its commit.

        `files` is all that the revision has. Without `revision` the commit follows from the contents. The
        repository's own properties are those of the last call. `private_token` is the token that may read:
        without `gated` the repository is invisible to others; with it, they see the listing and are refused
        the files. `gated` without a token is closed to everyone.
        """
        made = {name: HubFile(name, source) for name, source in sorted(files.items())}
        listing = "".join(f"{file.sha256} {name}\n" for name, file in made.items())
        commit = revision or hashlib.sha1(f"{repo}\n{listing}".encode()).hexdigest()
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise ValueError(f"a revision is 40 hexadecimal digits, not {commit!r}")
        known = self._contents.repositories.get(repo)
        repository = Repository(repo, license, gated, private_token, base_model)
        if known is not None:
            repository.revisions, repository.branches = known.revisions, known.branches
        repository.revisions[commit] = made
        repository.branches[branch] = commit
        self._contents.repositories[repo] = repository
        if private_token is not None:
            self.know(private_token)
        return commit

    def know(self, token: str) -> None:
        """A user's token that is valid, and by itself opens nothing that is private or gated."""
        self._contents.tokens.add(token)

    # What goes wrong. `pattern` is a file's name or a glob over the request's path; `times=None` is forever.
    # Faults of one kind that match the same request follow one another, in the order in which they were made.

    def fail(
        self,
        pattern: str,
        status: int,
        code: str = "",
        message: str = "",
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
        method: str | None = None,
        server: str | None = None,
    ) -> Refusal:
        """An HTTP error, with the X-Error-Code and X-Error-Message given. `retry_after` is in seconds."""
        more = dict(headers or {})
        if retry_after is not None:
            more["Retry-After"] = str(retry_after)
        fault = Refusal(
            pattern, times, method, server, status=status, code=code, message=message, headers=more
        )
        return self._faults.add(fault)

    def cut(self, pattern: str, after_bytes: int, *, times: int | None = 1, reset: bool = False) -> Cut:
        """The connection ends after `after_bytes` of a file's body: orderly, or as a `reset`."""
        return self._faults.add(Cut(pattern, times, after_bytes=after_bytes, reset=reset))

    def corrupt(
        self, pattern: str, offset: int = 0, n_bytes: int = 1, *, times: int | None = None
    ) -> Corruption:
        """Bytes [offset, offset + n_bytes) of the file are wrong; its size, ETag and sha256 are right."""
        return self._faults.add(Corruption(pattern, times, offset=offset, n_bytes=n_bytes))

    def resize(self, pattern: str, size_bytes: int, *, times: int | None = None) -> Resizing:
        """The file sent has another size than its metadata tells."""
        return self._faults.add(Resizing(pattern, times, size_bytes=size_bytes))

    def hold(self, pattern: str, after_bytes: int = 0, *, times: int | None = 1) -> Hold:
        """The transfer stands still after `after_bytes`: wait for `.reached`, look, then `.release()`."""
        return self._faults.add(Hold(pattern, times, after_bytes=after_bytes))

    def redirect(
        self, pattern: str, to: str | None = None, *, times: int | None = None, server: str | None = None
    ) -> Redirect:
        """The request is sent elsewhere; without `to`, to a host that refuses connections."""
        return self._faults.add(Redirect(pattern, times, server=server, to=to or f"{self.dead_url}/nothing"))

    def lie(
        self,
        pattern: str,
        change: Callable[[Any], Any] = lambda answer: answer,
        *,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Lie:
        """An answer in JSON says what `change` makes of it; the `headers` are added."""
        return self._faults.add(Lie(pattern, times, change=change, headers=dict(headers or {})))

    def endless(self, pattern: str, block: bytes = b" " * 65536, *, times: int | None = None) -> Endless:
        """The answer's body goes on with `block`, for as long as anybody reads."""
        return self._faults.add(Endless(pattern, times, block=block))

    def ignore_range(self, pattern: str, *, times: int | None = None) -> RangeIgnored:
        """The whole file is sent whatever part of it is asked for."""
        return self._faults.add(RangeIgnored(pattern, times))

    def mend(self) -> None:
        """Everything works again; what was held goes on."""
        self._faults.mend()

    # What was asked for.

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order of their arrival."""
        return list(self._requests)

    def transfers(self, file: str) -> list[Request]:
        """The requests that were answered with bytes of this file (its name, or the end of its path)."""
        return [r for r in self._requests if r.is_for(file) and r.method == "GET" and r.status in (200, 206)]

    def bytes_sent(self, file: str) -> int:
        """How many bytes of this file were sent in all: its size, if a resume lost nothing."""
        return sum(request.bytes_sent for request in self.transfers(file))

    def _answer(self, request: Request, query: Form, form: Form) -> Answer:
        """Called by the servers' threads, for every request."""
        self._requests.append(request)
        for refusal in self._faults.take(Refusal, *request.target):
            return refuse(refusal.status, refusal.code, refusal.message, refusal.headers)
        for redirect in self._faults.take(Redirect, *request.target):
            # The file's own headers stay: it is the place it is sent to that is wrong.
            healthy = self._contents.answer(request, query, form)
            return Answer(302, healthy.headers | {"Location": redirect.to})
        answer = self._contents.answer(request, query, form)
        for lie in self._faults.take(Lie, *request.target):
            answer = told_otherwise(answer, lie.change, lie.headers)
        return answer

    # How programs are pointed here.

    def environment(self, home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a child process whose Hub is this one: `base` (or ours), without token or proxy.

        `huggingface_hub` reads HF_ENDPOINT, HF_HOME and most others once, when it is imported.
        """
        foreign = re.compile(r"(?i)HF_.*|HUGGING.*|TRANSFORMERS_OFFLINE|.*_PROXY|XDG_CACHE_HOME|SSL_CERT_.*")
        inherited = os.environ if base is None else base
        return {name: value for name, value in inherited.items() if not foreign.fullmatch(name)} | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }


@contextlib.contextmanager
def huggingface_hub_at(hub: Hub, home: Path) -> Iterator[list[float]]:
    """The real `huggingface_hub` inside this process, for code that is given `endpoint=hub.url`.

    What it read from the environment when it was imported is put right: its folders are in `home`, it has no
    token, is online, and tells nobody. Its pauses before another attempt are not made, only noted: they are
    what is yielded, in seconds.
    """
    from huggingface_hub import close_session, constants, file_download
    from huggingface_hub.utils import _http

    pauses: list[float] = []
    clock = cast(Any, file_download).time
    no_pauses = SimpleNamespace(**{name: getattr(clock, name) for name in dir(clock)})
    no_pauses.sleep = pauses.append
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if re.fullmatch(r"(?i)HF_TOKEN|HF_OIDC.*|HUGGING.*|.*_PROXY", name):
                patch.delenv(name)
        values = {
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_TELEMETRY": True,
            "HF_HUB_DISABLE_XET": True,
        }
        for name, value in values.items():
            patch.setattr(constants, name, value)
        for module in (_http, file_download):
            patch.setattr(module, "time", no_pauses)
        close_session()
        try:
            yield pauses
        finally:
            close_session()
