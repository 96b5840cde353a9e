"""A language server that says what a test wants said, when the test wants it; Neovim runs it as any other.

It tells the plugin's own behaviour apart from the model's: growing suggestions, several candidates, ranges,
encodings, answers that come too late. The test steers it through Neovim, by notifications:

    test/grow    {text, covers?}               the newest question's suggestion so far, by $/progress
    test/answer  {items: [{text, covers?, id?}] | null}   its answer; `covers` units after the cursor
    test/ask     {method, params}              a request to the client
    test/tell    {method, params}              a notification to the client
    test/result  {method, result}              what requests of a kind are answered from now on

Every message that comes is written to the file named first, one JSON object a line; answers, too, and the
process's own number as `test/pid`.
The second argument is the encoding of positions; with a third, "definition", it knows definitions.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

CANCELLED = -32800


class ScriptedServer:
    """One connection. `question` is the newest request for a suggestion that is not answered."""

    def __init__(self, log: Path, encoding: str) -> None:
        self.log = log
        self.encoding = encoding
        self.question: dict[str, Any] | None = None
        self.n_asked = 0
        self.results: dict[str, Any] = {}

    def write(self, message: Any) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")

    def run(self) -> None:
        self.write({"method": "test/pid", "params": os.getpid()})
        while (message := self.read()) is not None:
            self.write(message)
            if message.get("method") == "exit":
                return
            self.take(message)

    def read(self) -> Any:
        length = 0
        while line := sys.stdin.buffer.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(sys.stdin.buffer.read(length)) if length else None

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        sys.stdout.buffer.flush()

    def take(self, message: dict[str, Any]) -> None:
        params = message.get("params") or {}
        match message.get("method"):
            case "initialize":
                self.send({"id": message["id"], "result": {"capabilities": self.capabilities()}})
            case "textDocument/inlineCompletion":
                self.question = message
            case "$/cancelRequest":
                self.send({"id": params["id"], "error": {"code": CANCELLED, "message": "cancelled"}})
                if self.question is not None and self.question["id"] == params["id"]:
                    self.question = None
            case "test/grow":
                assert self.question is not None
                value = {"items": [self.item(params)]}
                token = self.question["params"]["partialResultToken"]
                self.send({"method": "$/progress", "params": {"token": token, "value": value}})
            case "test/answer":
                assert self.question is not None
                items = params.get("items")
                result = None if items is None else {"items": [self.item(item) for item in items]}
                self.send({"id": self.question["id"], "result": result})
                self.question = None
            case "test/ask":
                self.n_asked += 1
                self.send({"id": f"ask-{self.n_asked}", **params})
            case "textDocument/definition":
                self.send({"id": message["id"], "result": self.definition(params)})
            case "test/tell":
                self.send(params)
            case "test/result":
                self.results[params["method"]] = params["result"]
            case _ if "id" in message and "method" in message:
                self.send({"id": message["id"], "result": self.results.get(message["method"])})

    def capabilities(self) -> dict[str, Any]:
        return {
            "positionEncoding": self.encoding,
            "textDocumentSync": {"openClose": True, "change": 2},
            "inlineCompletionProvider": {},
            "definitionProvider": "definition" in sys.argv,
            "executeCommandProvider": {"commands": ["stardraft.accepted"]},
        }

    def definition(self, params: dict[str, Any]) -> Any:
        """Everything in the first line is declared by that line's first character, and nothing else is."""
        if params["position"]["line"] > 0:
            return None
        span = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}
        return [{"uri": params["textDocument"]["uri"], "range": span}]

    def item(self, wanted: dict[str, Any]) -> dict[str, Any]:
        assert self.question is not None
        start = self.question["params"]["position"]
        end = {"line": start["line"], "character": start["character"] + wanted.get("covers", 0)}
        item = {"insertText": wanted["text"], "range": {"start": start, "end": end}}
        if "id" in wanted:
            item["command"] = {
                "title": "accepted",
                "command": "stardraft.accepted",
                "arguments": [wanted["id"]],
            }
        return item


if __name__ == "__main__":
    ScriptedServer(Path(sys.argv[1]), sys.argv[2]).run()
