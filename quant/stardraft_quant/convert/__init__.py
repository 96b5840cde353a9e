"""A Hugging Face checkpoint of StarCoder2 becomes a GGUF: `convert` is the whole of it.

checkpoint    which files, and where in them each tensor is
architecture  what config.json says, and what each tensor is called in a GGUF
tokenizer     tokens, merges, special ids
metadata      every key of the GGUF
values        the numbers, a few megabytes at a time
partial       the file while it is written, and going on after an interruption
conversion    all of it together

The result equals that of llama.cpp's convert_hf_to_gguf.py in every tensor and every key that it writes.
"""

from stardraft_quant.convert.conversion import ConversionReport, FileType, convert
from stardraft_quant.convert.metadata import Provenance, provenance_of

__all__ = ["ConversionReport", "FileType", "Provenance", "convert", "provenance_of"]
