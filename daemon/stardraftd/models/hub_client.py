"""The HTTP client that huggingface_hub is given: what it reads of a server is limited, whoever the server is.

A mirror (HF_ENDPOINT), a proxy or a network's log-in page may answer anything: without end, compressed a
thousandfold, or with a wish to be asked again in a year. Each answer has a limit of bytes and, where it is no
file, of time. Nothing compressed is asked for or taken, so that what arrives is what is counted.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from stardraftd.console.prose import counted
from stardraftd.errors import ModelDownloadError, StardraftError

if TYPE_CHECKING:
    import httpx2

# A listing has some 300 bytes a file: this is enough for 50,000 of them.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
ANSWER_TIMEOUT_S = 60.0
# Until an answer begins, redirects and whatever comes before it included.
HEAD_TIMEOUT_S = 30.0
MAX_WAIT_S = 60
# Only whole chunks are written, so a cut loses less than one; huggingface_hub's own are 10 MiB.
CHUNK_BYTES = 1 << 18

# How many bytes the file that is being downloaded has; None while something else is asked for.
_file_bytes: ContextVar[int | None] = ContextVar("file_bytes", default=None)


def prepare() -> None:
    """Has huggingface_hub use this client, and ask the Hub for nothing but the files asked for."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # where it was imported before this
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    _use_client()


@cache  # once: it closes the connections that are open
def _use_client() -> None:
    from huggingface_hub import set_client_factory

    set_client_factory(_client)


@contextmanager
def file_of(size_bytes: int) -> Iterator[None]:
    """While it is open, what is downloaded may have so many bytes and no more."""
    token = _file_bytes.set(size_bytes)
    try:
        yield
    finally:
        _file_bytes.reset(token)


def not_the_hub(what: str, why: str) -> ModelDownloadError:
    """An answer that the Hub does not give."""
    return ModelDownloadError(
        f"What answered for {what} is not the Hub: {why}.",
        "A network's log-in page may be in the way: open any page in a browser. Or see HF_ENDPOINT.",
    )


def _client() -> "httpx2.Client":
    import httpx2
    from huggingface_hub.utils._http import default_client_factory

    try:
        client = default_client_factory()
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        raise _proxy_error(error) from error
    client.event_hooks = {
        "request": [*client.event_hooks["request"], _ask_plainly],
        "response": [*client.event_hooks["response"], _limit],
    }
    client.send = _in_time(client.send)  # type: ignore[method-assign]
    return client


def _in_time(send: "Callable[..., httpx2.Response]") -> "Callable[..., httpx2.Response]":
    """`Client.send` with an end. The client's own time-outs begin anew with each byte, so a head that comes
    a byte at a time, or is announced again and again (100 Continue), would be waited for forever."""

    def timely(request: "httpx2.Request", **options: Any) -> "httpx2.Response":
        ended: queue.SimpleQueue[httpx2.Response | BaseException] = queue.SimpleQueue()
        context = copy_context()

        def ask() -> None:
            try:
                ended.put(context.run(send, request, **options))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                ended.put(error)

        # What hangs there is left behind: a command ends with its error, and a daemon thread with it.
        threading.Thread(target=ask, daemon=True).start()
        max_s = HEAD_TIMEOUT_S + (0.0 if options.get("stream") else ANSWER_TIMEOUT_S)
        try:
            answer = ended.get(timeout=max_s)
        except queue.Empty:
            raise not_the_hub(request.url.host, f"its answer takes more than {max_s:.0f} s") from None
        try:
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            del answer  # an error that its own traceback holds would keep the connection open

    return timely


def _ask_plainly(request: "httpx2.Request") -> None:
    request.headers["Accept-Encoding"] = "identity"


def _limit(response: "httpx2.Response") -> None:
    """Refuses what can be refused by an answer's head, and limits the body that follows it."""
    request = response.request
    what = request.url.host
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise not_the_hub(what, "it compresses what was asked for as it is")
    waits = [response.headers.get("retry-after", ""), *_reset_after(response.headers.get("ratelimit", ""))]
    for wait in waits if response.is_error else ():
        if wait.isdecimal() and int(wait[:9]) > MAX_WAIT_S:
            raise ModelDownloadError(
                f"{what} asks for fewer requests ({response.status_code}), and to wait {wait[:9]} s.",
                "Try again later; what has arrived is kept.",
            )
    size_bytes = _file_bytes.get()
    if size_bytes is not None and response.is_success:
        start = request.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        is_rest = response.status_code == 206 and start.isdecimal()
        max_bytes = size_bytes - (int(start) if is_rest else 0)
        limited: Any = _limited(response.stream, max_bytes, what, None)
    elif response.is_error or size_bytes is not None or request.url.path.startswith("/api/"):
        until = time.monotonic() + ANSWER_TIMEOUT_S
        limited = _limited(response.stream, MAX_ANSWER_BYTES, what, until)
    else:
        return  # another user of huggingface_hub in this process
    response.stream = limited


def _reset_after(header: str) -> list[str]:
    """The seconds in `"api";r=0;t=55`, which huggingface_hub waits as well."""
    return [part.strip()[2:] for part in header.split(";") if part.strip().startswith("t=")]


def _limited(stream: Any, max_bytes: int, what: str, until: float | None) -> "httpx2.SyncByteStream":
    import httpx2

    class Limited(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            n_bytes = 0
            for part in stream:
                n_bytes += len(part)
                if n_bytes > max_bytes:
                    raise not_the_hub(what, f"its answer goes on after {counted(max_bytes, 'byte')}")
                if until is not None and time.monotonic() > until:
                    raise not_the_hub(what, f"its answer takes more than {ANSWER_TIMEOUT_S:.0f} s")
                yield part

        def close(self) -> None:
            stream.close()

    return Limited()


def proxies() -> list[str]:
    """The variables that name a proxy, as they are written in this environment."""
    wanted = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
    return [name for name in os.environ if name.upper() in wanted and os.environ[name]]


def _proxy_error(error: Exception) -> StardraftError:
    """Which variable is wrong, found by trying each; its value may hold a password and is not shown."""
    import httpx2

    for name in proxies():
        value = os.environ[name]
        address = value if "://" in value else f"http://{value}"
        try:
            httpx2.HTTPTransport(proxy=httpx2.Proxy(address)).close()
        except (ValueError, ImportError, httpx2.InvalidURL):
            kind = address.partition("://")[0]
            known = kind in ("http", "https", "socks5", "socks5h")
            why = "is not an address" if known else f"is of the kind {kind}://, which cannot be used"
            return ModelDownloadError(
                f"The proxy in {name} {why}.",
                f"Write {name}=http://HOST:PORT, or socks5://HOST:PORT, or unset it. "
                "Or give the path of a file: stardraft model pull PATH",
            )
    return ModelDownloadError(
        f"The settings of the network's proxy cannot be used: {error}.",
        "Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.",
    )
