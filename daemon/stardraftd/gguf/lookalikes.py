"""What a file is when it is not a GGUF: the usual mistakes each get a sentence of their own."""

import re
from pathlib import Path

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError

HEAD_BYTES = 1024

DOWNLOAD_AGAIN = "Download the model again, and check its size and sha256 against those its publisher names."

_OTHER_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive, or PyTorch weights"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"lmgg", "a model in llama.cpp's format before GGUF"),
    (b"tjgg", "a model in llama.cpp's format before GGUF"),
    (b"fmgg", "a model in llama.cpp's format before GGUF"),
    (b"\x80\x02", "a Python pickle"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
)


def not_a_gguf(path: Path, head: bytes, size_bytes: int) -> ModelFormatError:
    """The error for a file that does not begin with GGUF's magic. `head`: its first HEAD_BYTES."""
    if size_bytes == 0:
        return ModelFormatError(f"{path} is empty (0 bytes).", DOWNLOAD_AGAIN)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return _lfs_pointer(path, head, size_bytes)
    if not head.strip(b"\0"):
        return ModelFormatError(
            f"{path} is not a GGUF: it begins with {len(head)} zero bytes, "
            "as a download does that never got to its beginning.",
            DOWNLOAD_AGAIN,
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return ModelFormatError(
            f"{path} is not a GGUF but a web page ({counted(size_bytes, 'byte')}): the page about the "
            "model was saved "
            "in place of the model.",
            'Download the file itself: on Hugging Face its address has "/resolve/" in it, not "/blob/".',
        )
    if text.startswith((b'{"error"', b'{"message"')):
        return ModelFormatError(
            f"{path} is not a GGUF but a server's error message: {_shown(head)}.",
            "The download was refused; see what the message says, then download the model again.",
        )
    return ModelFormatError(
        f"{path} is not a GGUF: it begins with {_shown(head)}{_kind(head)}, not with 'GGUF'.",
        "Name a GGUF file; weights in another format have to be converted first.",
    )


def _lfs_pointer(path: Path, head: bytes, size_bytes: int) -> ModelFormatError:
    size = re.search(rb"^size (\d{1,18})$", head, re.MULTILINE)
    of = f" of {counted(int(size[1]), 'byte')}" if size else ""
    return ModelFormatError(
        f"{path} is not a GGUF but a Git LFS pointer ({counted(size_bytes, 'byte')}): it stands for a "
        f"file{of} "
        "which was never fetched.",
        "Run `git lfs install` and `git lfs pull` where it was cloned, or download the file itself.",
    )


def _shown(head: bytes) -> str:
    """The beginning of a file, short and harmless to print: text as text, anything else as bytes."""
    try:
        text = head[:64].decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the cut at 64 bytes split is no reason to call it binary.
        text = head[: error.start].decode("utf-8") if error.start > 60 else ""
    line = text.strip().split("\n", 1)[0].strip()[:48]
    if line and line.replace("\t", " ").isprintable():
        return repr(line)
    return f"the bytes {head[:8].hex(' ')}"


def _kind(head: bytes) -> str:
    for magic, kind in _OTHER_FORMATS:
        if head.startswith(magic):
            return f" ({kind})"
    # A safetensors file: 8 bytes length, then a JSON object.
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":
        return " (weights in safetensors format)"
    return ""
