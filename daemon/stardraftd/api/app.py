"""The daemon's HTTP application: the routes of each API, behind one guard. No policy lives here.

A new API is a file beside this one with a function `routes(daemon)`, and a line in `build_app`.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from stardraftd.api import native
from stardraftd.api.guard import Guard
from stardraftd.api.json import refusal
from stardraftd.errors import StardraftError
from stardraftd.transport.endpoint import Endpoint


def build_app(daemon: native.Served, endpoint: Endpoint) -> Starlette:
    """The ASGI application."""
    return Starlette(
        routes=native.routes(daemon),
        middleware=[Middleware(Guard, endpoint=endpoint)],
        exception_handlers={
            StardraftError: _refuse,
            ClientDisconnect: _gone,
            404: _not_found,
            405: _not_found,
        },
    )


def refusing_app(error: StardraftError) -> ASGIApp:
    """The application of a daemon that cannot serve: every answer is the reason."""
    return refusal(503, error.code, error.message, error.hint)


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StardraftError)
    return refusal(400, error.code, error.message, error.hint)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _not_found(request: Request, _missing: Exception) -> Response:
    return refusal(
        404,
        "not_found",
        f"There is no {request.method} {request.url.path} here.",
        "The routes are /v1/hello, status, complete, warm, load, events and stop.",
    )
