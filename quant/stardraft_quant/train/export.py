"""A trained model's weights -> a GGUF that the engine loads.

The tensors, their order and their types are those of `synthesize`, which has them as llama.cpp's own
converter and quantizer make them; the tokenizer is copied from another StarCoder2 file, and all special ids
are written out, `<file_sep>` and `<repo_name>` included.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from stardraft_quant.shared.tokenizer_source import built_in_model
from stardraft_quant.synthesize import TOKENIZER_PREFIX, copy_field, tensors, write_shape
from stardraftd.errors import ModelError, ModelFormatError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from stardraftd.models.catalogue import Shape

ExportType = Literal["F16", "Q8_0"]


def export(
    weights: Mapping[str, NDArray[np.float32]],
    shape: Shape,
    out: Path,
    file_type: ExportType,
    *,
    tokenizer_from: Path | None = None,
) -> int:
    """Writes `weights` (by their names in a GGUF) to `out`, all or nothing; returns the size in bytes.

    Raises ModelFormatError when a tensor is missing or has another shape than `shape` says, ModelError when
    the file cannot be written.
    """
    if file_type not in get_args(ExportType):
        raise ModelError(f"There is no export as {file_type}.", "Use F16 or Q8_0.")
    tokenizer_from = tokenizer_from or built_in_model()
    if not out.parent.is_dir():
        raise ModelError(f"{out} cannot be written: there is no folder {out.parent}.", "Make it first.")
    header = read_header(tokenizer_from)  # checked before anything else parses it
    checked = {
        tensor: _checked(weights, tensor.name, tensor.shape)
        for tensor in tensors(shape, header.vocabulary_size, file_type)
    }
    ids = fim_tokens(header)
    special = {
        "tokenizer.ggml.bos_token_id": ids.end_of_text,
        "tokenizer.ggml.eos_token_id": ids.end_of_text,
        "tokenizer.ggml.unknown_token_id": ids.end_of_text,
        "tokenizer.ggml.fim_pre_token_id": ids.prefix,
        "tokenizer.ggml.fim_mid_token_id": ids.middle,
        "tokenizer.ggml.fim_suf_token_id": ids.suffix,
        "tokenizer.ggml.fim_pad_token_id": ids.pad,
        "tokenizer.ggml.fim_rep_token_id": ids.repository,
        "tokenizer.ggml.fim_sep_token_id": ids.separator,
    }
    fields = gguf.GGUFReader(tokenizer_from).fields
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with contextlib.closing(gguf.GGUFWriter(temporary, "starcoder2")) as writer:
            writer.add_name(shape.name)
            writer.add_license("apache-2.0")
            write_shape(writer, shape, file_type)
            writer.add_rope_dimension_count(shape.hidden // shape.heads)
            for name, field in fields.items():
                if name.startswith(TOKENIZER_PREFIX) and name not in special:
                    copy_field(writer, name, field)
            for name, value in special.items():
                if value is not None:
                    writer.add_uint32(name, value)
            for tensor, values in checked.items():
                writer.add_tensor(tensor.name, _stored(values, tensor.type), raw_dtype=tensor.type)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        temporary.replace(out)
    except OSError as error:
        raise ModelError(
            f"{out} cannot be written: {error.strerror}.",
            "Name a file in a folder that exists, on a disk with room.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return out.stat().st_size


def export_checkpoint(
    path: Path, out: Path, file_type: ExportType, *, tokenizer_from: Path | None = None
) -> int:
    """`export` of a training run's checkpoint."""
    from stardraft_quant.train.training import load_model

    model = load_model(path)
    weights: dict[str, Any] = {name: value.float().numpy() for name, value in model.state_dict().items()}
    return export(weights, model.shape, out, file_type, tokenizer_from=tokenizer_from)


def _checked(
    weights: Mapping[str, NDArray[np.float32]], name: str, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    if name not in weights:
        raise ModelFormatError(f"The weights have no {name}.", "Export a checkpoint of this program.")
    if weights[name].shape != shape:
        raise ModelFormatError(
            f"{name} has the shape {weights[name].shape} where the model's is {shape}.",
            "Export with the tokenizer that the model was trained with.",
        )
    return weights[name]


def _stored(values: NDArray[np.float32], kind: Type) -> NDArray[Any]:
    if kind == Type.F32:
        return values.astype(np.float32)
    if kind == Type.F16:
        return values.astype(np.float16)
    quantized: NDArray[Any] = gguf.quants.quantize(values, kind)
    return quantized
