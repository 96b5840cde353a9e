"""Who may ask over TCP: whoever can read the token's file, and no web page.

Over a Unix socket the file's mode is the key. Over TCP every request needs the bearer token and the exact
Host, and must not have an Origin.
"""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from stardraftd.api.json import refusal
from stardraftd.transport.endpoint import LOOPBACK, Endpoint


class Guard:
    """Lets nobody in over TCP who cannot read the token's file."""

    def __init__(self, app: ASGIApp, endpoint: Endpoint) -> None:
        self._app = app
        self._token = endpoint.token.encode()
        self._hosts = {f"{host}:{endpoint.port}".encode() for host in (LOOPBACK, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._token:
            problem = self._problem(dict(scope["headers"]), scope["method"])
            if problem:
                refused = refusal(403, "forbidden", problem)
                # A stranger's connection is not kept: only who has the token may stay without limit.
                refused.headers["Connection"] = "close"
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, headers: dict[bytes, bytes], method: str) -> str:
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            return "The bearer token is missing or wrong; it stands in the daemon's endpoint file."
        if headers.get(b"host") not in self._hosts:
            return "The Host header must be the loopback address and port."
        if b"origin" in headers:
            return "Requests from web pages are refused."
        if method == "POST" and not headers.get(b"content-type", b"").startswith(b"application/json"):
            return "The content type must be application/json."
        return ""
