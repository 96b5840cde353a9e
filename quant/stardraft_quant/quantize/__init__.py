"""llama.cpp's quantizer in a process of its own."""

from stardraft_quant.quantize.quantizing import (
    FILE_TYPES,
    FileType,
    QuantizationReport,
    quantize,
)

__all__ = [
    "FILE_TYPES",
    "FileType",
    "QuantizationReport",
    "quantize",
]
