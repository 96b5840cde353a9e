"""How often the filters harm what is right: real code is taken out of files and put in again. Prints a table.

    python -m tests.measure_filters_truth FOLDER... [--files 150] [--examples 2]

Four kinds of places: the rest of a line or all of it, the same with an auto-closed character behind it, the
body of a block behind its opener, and on a blank line in it. What comes out other than it went in is harm,
but for spaces at line ends. Some of it is no harm to a user: code that really repeats the next line.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from stardraft_lsp.filters import Around, Pipeline, Shown
from stardraftd.protocol.completion import Mode

LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".ts": "typescript",
    ".go": "go",
    ".rs": "rust",
    ".lua": "lua",
    ".c": "c",
    ".h": "c",
    ".cpp": "cpp",
    ".java": "java",
    ".rb": "ruby",
    ".sh": "shellscript",
    ".php": "php",
}
PER_FILE = 12


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def holes(text: str, chance: random.Random) -> Iterator[tuple[str, str, str, str]]:
    """The kind of place, what stands before it, what stands behind it, and what belongs there."""
    lines = text.split("\n")
    fit = [i for i, line in enumerate(lines) if len(line.strip()) > 3]
    for i in chance.sample(fit, min(PER_FILE, len(fit))):
        line = lines[i].rstrip()
        cut = indent(line) if chance.random() < 0.4 else chance.randrange(indent(line) + 1, len(line))
        before, behind = "\n".join([*lines[:i], line[:cut]]), "\n" + "\n".join(lines[i + 1 :])
        yield "line", before, behind, line[cut:]
        if line[-1] in ")]}\"'" and cut < len(line) - 3:
            yield "before a closer", before, line[-1] + behind, line[cut:-1]
        if not line.endswith((":", "{")):
            continue
        end = i + 1
        while end < len(lines) and (not lines[end].strip() or indent(lines[end]) > indent(line)):
            end += 1
        body = "\n".join(lines[i + 1 : end]).rstrip()
        behind = "\n" + "\n".join(lines[end:])
        if end - i < 16 and lines[i + 1 : end] and lines[i + 1].strip():
            yield "block", "\n".join([*lines[:i], line]), behind, "\n" + body
            first = indent(body)
            yield "blank line", "\n".join([*lines[:i], line, body[:first]]), behind, body[first:]


def harm(kind: str, shown: Shown, truth: str) -> bool:
    wanted = "\n".join(line.rstrip() for line in truth.split("\n"))
    return shown.replaces > 0 or shown.text.strip() != wanted.strip()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("folders", nargs="+", type=Path)
    arguments.add_argument("--files", type=int, default=150)
    arguments.add_argument("--examples", type=int, default=0)
    given = arguments.parse_args()
    chance = random.Random(0)
    n: Counter[tuple[str, str]] = Counter()
    harmed: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    examples: dict[str, list[str]] = defaultdict(list)
    for folder in given.folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix in LANGUAGES and path.is_file())
        for path in chance.sample(files, min(given.files, len(files))):
            try:
                text = path.read_text("utf-8").replace("\r\n", "\n")
            except UnicodeDecodeError:
                continue
            language = LANGUAGES[path.suffix]
            for kind, before, behind, truth in holes(text, chance):
                if len(truth.strip()) < 2:
                    continue
                mode: Mode = "line" if kind in ("line", "before a closer") else "block"
                around = Around.at(
                    before[-48_000:], behind[:24_000], language=language, path=path.name, mode=mode
                )
                shown = Pipeline(around).finish(truth)
                n[language, kind] += 1
                if harm(kind, shown, truth):
                    harmed[language, kind] += 1
                    why = shown.why[0] if shown.why else "?"
                    reasons[why] += 1
                    examples[why].append(f"{path.name}: …{before[-60:]!r} [{truth[:80]!r}] {behind[:40]!r}")
    print("| language | place | places | harmed |\n|---|---|---|---|")
    for key in sorted(n):
        print(f"| {key[0]} | {key[1]} | {n[key]} | {harmed[key] / n[key]:.1%} |")
    print(f"| all | | {n.total()} | {harmed.total() / max(n.total(), 1):.1%} |\n")
    print(", ".join(f"{why} {number}" for why, number in reasons.most_common()))
    for why, found in examples.items():
        print("\n".join(f"  {why}: {example}" for example in found[: given.examples]))


if __name__ == "__main__":
    main()
