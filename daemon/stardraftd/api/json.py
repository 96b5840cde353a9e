"""Bodies in and out: JSON, streams of JSON lines, and refusals in the shape of `ErrorBody`."""

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stardraftd.errors import RequestError
from stardraftd.limits import MAX_BODY_BYTES
from stardraftd.protocol.http import ErrorBody

NDJSON = "application/x-ndjson"

T = TypeVar("T")


async def body_of(request: Request) -> bytes:
    """The request's body, refused when it is longer than a prompt could ever be."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise RequestError(
                f"The request is longer than {MAX_BODY_BYTES} bytes.",
                "Send a window around the cursor, not the whole of a large file.",
            )
        parts.append(part)
    return b"".join(parts)


def decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(f"The request is not as it must be: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"The request is not JSON: {error}.") from error


def stream(events: AsyncIterator[object]) -> Response:
    encoder = msgspec.json.Encoder()

    async def lines() -> AsyncIterator[bytes]:
        async for event in events:
            yield encoder.encode(event) + b"\n"

    return StreamingResponse(lines(), media_type=NDJSON, headers={"Cache-Control": "no-store"})


def answer(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def refusal(status: int, code: str, message: str, hint: str = "") -> Response:
    return answer(ErrorBody(code, message, hint), status)
