"""Builds of llama.cpp that are broken on purpose: copies of the installed one with a changed kernel.

What is planted is put at a function's first byte in libggml-cpu: an instruction that no processor has, a
return before anything is computed, or a jump to itself. Others cannot even be loaded.
"""

import platform
import shutil
import struct
from pathlib import Path
from typing import Literal

from stardraftd.builds.library import library_folder

Plant = Literal["illegal", "returns", "hangs"]
CODE: dict[str, dict[Plant, bytes]] = {
    "x86_64": {"illegal": b"\x0f\x0b", "returns": b"\xc3", "hangs": b"\xeb\xfe"},
    "aarch64": {"illegal": bytes(4), "returns": b"\xc0\x03\x5f\xd6", "hangs": b"\x00\x00\x00\x14"},
}
CAN_PLANT = platform.system() == "Linux" and platform.machine() in CODE
WHY_NOT = "kernels are planted in ELF files of x86-64 and arm64"


def broken_build(folder: Path, symbol: str, plant: Plant) -> dict[str, str]:
    """Copies the libraries to `folder`, breaks `symbol`, and returns the variable that has them loaded."""
    source = library_folder()
    assert source is not None
    shutil.copytree(source, folder)
    code = CODE[platform.machine()][plant]
    planted = [file for file in folder.glob("libggml-cpu*") if _plant(file, symbol.encode(), code)]
    assert planted, f"no libggml-cpu exports {symbol}"
    return {"LLAMA_CPP_LIB_PATH": str(folder)}


def unloadable_build(folder: Path, old: bytes, new: bytes) -> dict[str, str]:
    """Copies the libraries to `folder` with another name in libllama: of a symbol, a library or a version."""
    assert len(old) == len(new)
    source = library_folder()
    assert source is not None
    shutil.copytree(source, folder)
    for file in folder.glob("libllama.so*"):
        data = file.read_bytes()
        assert old in data
        file.write_bytes(data.replace(old, new))
    return {"LLAMA_CPP_LIB_PATH": str(folder)}


def _plant(file: Path, symbol: bytes, code: bytes) -> bool:
    data = bytearray(file.read_bytes())
    address = _address(data, symbol)
    if address is None:
        return False
    offset = _file_offset(data, address)
    data[offset : offset + len(code)] = code
    file.write_bytes(data)
    return True


def _address(data: bytearray, symbol: bytes) -> int | None:
    """Where the dynamic symbol table of a 64-bit little-endian ELF file has `symbol` (elf.h)."""
    (sections_at,) = struct.unpack_from("<Q", data, 40)
    size, count, _ = struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * size) for i in range(count)]
    for _name, kind, _flags, _address, offset, length, link, *_ in sections:
        if kind != 11:  # SHT_DYNSYM
            continue
        names_at = sections[link][4]
        for at in range(offset, offset + length, 24):
            name, _info, _other, _section, value, _size = struct.unpack_from("<IBBHQQ", data, at)
            start = names_at + name
            if value and data[start : start + len(symbol) + 1] == symbol + b"\0":
                return int(value)
    return None


def _file_offset(data: bytearray, address: int) -> int:
    (headers_at,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _flags, offset, start, _physical, length = struct.unpack_from(
            "<IIQQQQ", data, headers_at + i * size
        )
        if kind == 1 and start <= address < start + length:  # PT_LOAD
            return int(offset + address - start)
    raise ValueError(f"no segment holds {address:#x}")
