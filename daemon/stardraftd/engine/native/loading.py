"""From settings to a model that is ready to decode: checked, loaded, on the device or on the CPU.

The file's header is checked in Python before llama.cpp sees it. Layers go to a device when llama.cpp
reports one; when they do not fit there, or there is none though it was asked for, the CPU takes over
and says so. Nothing here is silent: what was changed comes back as warnings.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stardraftd.console.prose import counted
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.devices import Device, offload_devices, physical_cores
from stardraftd.errors import EngineLoadError, ModelFormatError
from stardraftd.gguf.fim_tokens import FimTokens, fim_tokens
from stardraftd.gguf.reading import Header, read_header
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.engine import EngineSettings

N_SEQUENCES = 32
STARCODER2_WINDOW = 4096
KV_BYTES_PER_VALUE = {"f16": 2.0, "q8_0": 34 / 32}

# Its card has it. Its file states the context of the architecture.
TOY_ROW = 512

# llama.cpp does not recognise StarCoder2's file and repository separators; registered, they end generation.
_SEPARATOR_KEY = "tokenizer.ggml.fim_sep_token_id"
_REPOSITORY_KEY = "tokenizer.ggml.fim_rep_token_id"


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to decode.

    window: positions that a token attended to in training; llama.cpp attends to all. 0 is no limit.
    row:    tokens of the longest text it was trained on, where it is of no use beyond; 0 is no limit.
    """

    model: llama.Model
    context: llama.Context
    sentinels: FimTokens
    architecture: str
    pre_tokenizer: str
    window: int
    row: int
    header_bytes: int
    info: ModelInfo
    warnings: tuple[str, ...]

    def close(self) -> None:
        self.context.close()
        self.model.close()


def load(
    settings: EngineSettings, abort: llama.AbortFlag, on_progress: Callable[[str, float], None]
) -> LoadedModel:
    """Checks and loads the model. `on_progress` gets its name and a fraction from 0 to 1.

    Raises ModelError for a file that is not usable, EngineLoadError when llama.cpp or memory refuses it.
    """
    started = time.perf_counter()
    path = Path(settings.model_path)
    header = read_header(path)
    checked = _identity(path)
    sentinels = fim_tokens(header)
    name = header.name or path.stem
    on_progress(name, 0.0)
    available = offload_devices()
    warnings: list[str] = []
    if settings.gpu_layers > 0 and not available:
        warnings.append(
            f"model.gpu_layers asks for {counted(settings.gpu_layers, 'layer')} on a GPU, but this "
            "build of "
            "llama.cpp reports no GPU; the model runs on the CPU."
        )
    attempts = [settings.gpu_layers, 0] if available and settings.gpu_layers != 0 else [0]
    for gpu_layers in attempts:
        try:
            model, context = _open(
                settings,
                header,
                sentinels,
                gpu_layers=gpu_layers,
                abort=abort,
                on_progress=on_progress,
            )
        except EngineLoadError as error:
            if gpu_layers == 0:
                raise
            warnings.append(f"{error} So the model runs on the CPU; fewer model.gpu_layers may fit.")
            continue
        if _identity(path) != checked:
            context.close()
            model.close()
            raise ModelFormatError(
                f"{path} was replaced while it was loaded: what was loaded is not what was checked.",
                "Ask again; it is then checked and loaded anew.",
            )
        n_offloaded = model.n_layers if gpu_layers < 0 else min(gpu_layers, model.n_layers)
        info = ModelInfo(
            name=name,
            path=str(path),
            size_bytes=header.file_size_bytes,
            n_parameters=model.n_parameters,
            n_context_trained=model.n_context_trained,
            context_tokens=context.n_cells,
            device=_device_name(available if n_offloaded else []),
            gpu_layers=n_offloaded,
            layers=model.n_layers,
            threads=context.n_threads,
            kv_bytes=round(
                context.n_cells * _kv_values_per_token(header) * KV_BYTES_PER_VALUE[settings.kv_type]
            ),
            load_ms=(time.perf_counter() - started) * 1000,
            system_info=backend.system_info(),
            flash_attention=_flash_attention(settings, gpu_layers),
            toy=name.startswith("stardraft-tiny"),
            can_cut=context.can_cut,
        )
        return LoadedModel(
            model=model,
            context=context,
            sentinels=sentinels,
            architecture=header.architecture,
            pre_tokenizer=str(header.metadata.get("tokenizer.ggml.pre", "")),
            window=trained_window(header),
            row=TOY_ROW if info.toy else 0,
            header_bytes=header.data_offset,
            info=info,
            warnings=tuple(warnings),
        )
    raise AssertionError("the last attempt either returned or raised")


def trained_window(header: Header) -> int:
    """The sliding window that the model was trained with, in positions; 0 is none.

    StarCoder2's is 4,096 at every size (arXiv 2402.19173, table 5), and its GGUF files do not name it.
    """
    if header.architecture != "starcoder2":
        return 0  # llama.cpp does what those need by itself
    return header.integer("starcoder2.attention.sliding_window", STARCODER2_WINDOW)


def _open(
    settings: EngineSettings,
    header: Header,
    sentinels: FimTokens,
    *,
    gpu_layers: int,
    abort: llama.AbortFlag,
    on_progress: Callable[[str, float], None],
) -> tuple[llama.Model, llama.Context]:
    name = header.name or Path(settings.model_path).stem
    overrides = {}
    if sentinels.separator is not None and _SEPARATOR_KEY not in header.metadata:
        overrides[_SEPARATOR_KEY] = sentinels.separator
    if sentinels.repository is not None and _REPOSITORY_KEY not in header.metadata:
        overrides[_REPOSITORY_KEY] = sentinels.repository
    with contextlib.ExitStack() as on_failure:
        model = on_failure.enter_context(
            llama.Model(
                Path(settings.model_path),
                gpu_layers=gpu_layers,
                # On the CPU weights are repacked: mapped as well, they would be in memory twice.
                use_mmap=gpu_layers != 0,
                integer_overrides=overrides,
                on_progress=lambda fraction: on_progress(name, fraction),
            )
        )
        context = llama.Context(
            model,
            n_cells=settings.context_tokens,
            n_sequences=N_SEQUENCES,
            n_batch=settings.batch_tokens,
            n_micro_batch=settings.batch_tokens,
            n_threads=settings.threads or physical_cores(),
            flash_attention=_flash_attention(settings, gpu_layers),
            kv_type=settings.kv_type,
            abort=abort,
        )
        on_failure.pop_all()
    return model, context


def _identity(path: Path) -> tuple[int, int, int, int]:
    """What tells one file from another under the same name."""
    try:
        info = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


def _flash_attention(settings: EngineSettings, gpu_layers: int) -> Literal["auto", "on", "off"]:
    """What "auto" stands for.

    It is off on the CPU, where flash attention makes logits depend on how many tokens are evaluated at once
    (by up to 0.2 with Q8_0): a warm suggestion could differ from a cold one. Without it they are equal to
    the bit. A quantized KV cache needs it everywhere.
    """
    if settings.flash_attention != "auto":
        return settings.flash_attention
    return "off" if gpu_layers == 0 and settings.kv_type == "f16" else "auto"


def _device_name(offloaded_to: list[Device]) -> str:
    if not offloaded_to:
        return "CPU"
    return ", ".join(f"{device.name} ({device.description})" for device in offloaded_to)


def _kv_values_per_token(header: Header) -> int:
    """Keys and values that one token keeps, in all layers (ggml-org/llama.cpp, llama-kv-cache.cpp)."""
    prefix = header.architecture
    n_heads = header.integer(f"{prefix}.attention.head_count", 1)
    n_kv_heads = header.integer(f"{prefix}.attention.head_count_kv", n_heads)
    head_size = header.integer(f"{prefix}.embedding_length") // max(n_heads, 1)
    n_key = header.integer(f"{prefix}.attention.key_length", head_size)
    n_value = header.integer(f"{prefix}.attention.value_length", head_size)
    return header.n_layers * n_kv_heads * (n_key + n_value)
