"""How many secrets are missed and how many false alarms there are, on the labelled set, on code, and how
fast.

    python tests/measure_secrets.py [FOLDER ...]

FOLDER: source code (no secrets in it, as far as anyone knows): how many chunks of 30 lines are called secret.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stardraftd.privacy.content import has_secret, secret_spans

DATA = Path(__file__).parent / "data" / "privacy"
CHUNK_LINES = 30
MAX_FILE_BYTES = 256 * 1024
CODE = {
    ".py",
    ".js",
    ".ts",
    ".c",
    ".h",
    ".cpp",
    ".go",
    ".rs",
    ".java",
    ".rb",
    ".php",
    ".sh",
    ".yaml",
    ".yml",
    ".toml",
    ".json",
}


def labelled(name: str) -> list[tuple[str, str]]:
    """The entries of a file of the set: what each is, and its text."""
    entries: list[tuple[str, list[str]]] = []
    for line in (DATA / name).read_text(encoding="utf-8").split("\n"):
        if line.startswith("--- "):
            entries.append((line[4:], []))
        elif entries:
            entries[-1][1].append(line)
    return [(style, "\n".join(lines).rstrip("\n").replace("~", "")) for style, lines in entries]


def misses() -> list[tuple[str, str]]:
    return [(style, text) for style, text in labelled("secrets.txt") if not has_secret(text)]


def false_alarms() -> list[tuple[str, str]]:
    return [(style, text) for style, text in labelled("harmless.txt") if has_secret(text)]


def chunks(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(folder.rglob("*")):
        if file.suffix not in CODE or not file.is_file() or file.stat().st_size > MAX_FILE_BYTES:
            continue
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            continue
        for start in range(0, len(lines), CHUNK_LINES):
            yield file, "\n".join(lines[start : start + CHUNK_LINES])


def main() -> None:
    for name, found, wrong in (("secrets", "missed", misses()), ("harmless", "false alarms", false_alarms())):
        n = len(labelled(f"{name}.txt"))
        print(f"{name}: {n} texts, {len(wrong)} {found} ({100 * len(wrong) / n:.1f}%)")
        for style, text in wrong:
            spans = [text[a:b] for a, b in secret_spans(text)]
            print(f"    {style}: {text!r} {spans or ''}")
    for folder in sys.argv[1:]:
        texts = list(chunks(Path(folder)))
        size = sum(len(text) for _, text in texts)
        began = time.process_time()
        alarms = [(file, text) for file, text in texts if has_secret(text)]
        took = time.process_time() - began
        print(
            f"{folder}: {len(texts):,} chunks, {size / 1e6:.1f} MB, {len(alarms)} called secret"
            f" ({100 * len(alarms) / max(len(texts), 1):.2f}%), {size / 1e6 / took:.1f} MB/s"
        )
        for file, text in alarms[:400] if "-v" in folder else ():
            print(file, [text[a:b] for a, b in secret_spans(text)])


if __name__ == "__main__":
    main()
