"""A program with llama-server's manners: `/health` and a streamed `/infill`, without a model.

    python -m tests.support.llama_server --port N ...

It answers each request with `n_predict` marks of two characters, as a synthetic model does. It notes each one
in the file that LLAMA_SERVER_NOTES names. With LLAMA_SERVER_HANGS it takes a request and says nothing.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# What a user gives as the path of llama-server.
SCRIPT = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.support.llama_server import main
main()
"""


def write_program(folder: Path) -> Path:
    """An executable file that is this program."""
    path = folder / "llama-server"
    path.write_text(SCRIPT.format(python=sys.executable, root=str(Path(__file__).parents[2])))
    path.chmod(0o755)
    return path


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._begin()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if notes := os.environ.get("LLAMA_SERVER_NOTES"):
            Path(notes).write_text(json.dumps(asked))
        while os.environ.get("LLAMA_SERVER_HANGS"):
            time.sleep(60)
        n_prompt, n = len((asked["input_prefix"] + asked["prompt"]).split()), asked["n_predict"]
        self._begin()
        for _ in range(n):
            self._tell(content=" @")
        timings = {
            "prompt_n": n_prompt,
            "cache_n": 0,
            "prompt_ms": 1.0,
            "predicted_n": n,
            "predicted_ms": 1.0,
        }
        self._tell(content="", stop=True, tokens_evaluated=n_prompt, timings=timings)

    def _begin(self) -> None:
        self.send_response(200)
        self.end_headers()

    def _tell(self, **event: Any) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def log_request(self, *_: object) -> None:
        """Nothing is logged."""


def main() -> None:
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    main()
