"""A program with llama-bench's manners: it notes how it was called, and answers what it is asked for."""

import json
import stat
import sys
from pathlib import Path

NEW_HELP = "-p, --n-prompt <n>\n-d, --n-depth <n>\n-fa, --flash-attn <on|off|auto>\n-lm, --load-mode <auto>"
OLD_HELP = "-p, --n-prompt <n>\n-d, --n-depth <n>\n-fa, --flash-attn <0|1>\n-mmp, --mmap <0|1>"

STAND_IN = """#!{python}
import json, os, sys
from pathlib import Path
arguments = sys.argv[1:]
if arguments == ["--help"]:
    print({help!r})
    sys.exit(0)
given = dict(zip(arguments[::2], arguments[1::2]))
with Path({calls!r}).open("a") as calls:
    print(json.dumps(given), file=calls)
if {fails!r}:
    sys.exit("error: failed to load model")
def test(n_prompt, n_gen):
    speeds = [100.0] * int(given["-r"])
    return dict(n_prompt=n_prompt, n_gen=n_gen, n_depth=int(given["-d"]), samples_ts=speeds,
                build_commit="abc123", build_number=7, model_type="any")
prompts = [test(int(n), 0) for n in given["-p"].split(",")]
print(json.dumps([*prompts, test(0, int(given["-n"]))]))
"""


class StandIn:
    def __init__(self, folder: Path, *, help_text: str = NEW_HELP, fails: bool = False) -> None:
        self.path = folder / "llama-bench"
        self._calls = folder / "calls"
        self.path.write_text(
            STAND_IN.format(python=sys.executable, help=help_text, calls=str(self._calls), fails=fails)
        )
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()]
