"""`python -m stardraftd.engine.probe`: what the installed llama.cpp is and can use, as one JSON object.

For `stardraft doctor`: only an engine process may load llama.cpp, so the doctor asks one.
"""

import sys

import msgspec

from stardraftd.errors import StardraftError


def probe() -> dict[str, object]:
    """Versions, instruction sets and devices; or `error`, `message` and `hint`."""
    from stardraftd.engine.worker import open_engine

    try:
        open_engine()
    except StardraftError as error:
        return {"error": error.code, "message": error.message, "hint": error.hint}
    import llama_cpp

    from stardraftd.engine.native import backend
    from stardraftd.engine.native.devices import devices

    return {
        "llama_cpp_version": llama_cpp.__version__,
        "system_info": backend.system_info(),
        "gpu_offload": bool(llama_cpp.llama_supports_gpu_offload()),
        "devices": devices(),
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(probe()) + b"\n")
