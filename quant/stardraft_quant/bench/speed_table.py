"""A speed report for a user to read in a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from stardraft_quant.bench.speed import Memory, Peer, SpeedReport, Spread
from stardraft_quant.shared.printable import printable
from stardraftd.console.prose import counted
from stardraftd.console.tables import FittedTable

BUSY_CORES = 0.1  # what others may use before a user is told


def render(report: SpeedReport) -> RenderableType:
    """The whole report: what was measured, speeds, batch sizes, memory, and the peer if there was one."""
    parts: list[RenderableType] = [Text(printable(headline(report))), Text(), _speeds(report)]
    if report.peer is not None:
        parts += [Text(), _against(report, report.peer)]
    parts += [Text(), _batches(report), Text(), _memory(report.memory)]
    parts += [
        Text(f"\nwarning: {printable(warning)}") for warning in (*report.warnings, *_contention(report))
    ]
    return Group(*parts)


def headline(report: SpeedReport) -> str:
    layers = f", {report.gpu_layers} of {counted(report.layers, 'layer')}" if report.gpu_layers else ""
    return (
        f"{report.model} ({report.description}), {report.size_bytes / 1e6:,.1f} MB, "
        f"{report.n_parameters / 1e6:,.0f} M parameters; loaded in {report.load_ms:,.0f} ms\n"
        f"{report.device}{layers}, {counted(report.threads, 'thread')}; {report.machine}; "
        f"KV cache {report.kv_type}, {counted(report.context_tokens, 'token')}; "
        f"flash attention {report.flash_attention}\n"
        f"{report.system_info}"
    )


def _speeds(report: SpeedReport) -> FittedTable:
    table = _table("Speed after so many tokens: the median (least to greatest)")
    table.add_column("depth", justify="right")
    for prefill in report.depths[0].prefill:
        table.add_column(f"{_test(prefill.n_tokens)}, tokens/s", justify="right")
    table.add_column("decode, tokens/s", justify="right")
    table.add_column("ms inside llama.cpp", justify="right")
    table.add_column("+ Python", justify="right")
    for speed, overhead in zip(report.depths, report.overheads, strict=True):
        table.add_row(
            f"{speed.depth:,}",
            *(_spread(prefill.tokens_per_s) for prefill in speed.prefill),
            _spread(speed.decode_tokens_per_s),
            _number(overhead.decode_ms),
            f"{overhead.python_ms.median:.3f} ({overhead.percent:.2g} %)",
        )
    return table


def _against(report: SpeedReport, peer: Peer) -> FittedTable:
    table = _table(
        f"Beside {peer.name} {printable(peer.build)}: tokens/s, taking turns {counted(report.runs, 'time')}"
    )
    table.add_column("depth", justify="right")
    table.add_column("")
    for title in ("stardraft", peer.name, "ours / theirs"):
        table.add_column(title, justify="right")
    ours, theirs = _by_test(report), _by_test(peer)
    for ratio in peer.ratios:
        test = (ratio.depth, ratio.n_tokens)
        values = (ours[test], theirs[test], ratio.ours_to_theirs)
        table.add_row(f"{ratio.depth:,}", _test(ratio.n_tokens), *map(_spread, values))
    return table


def _by_test(side: SpeedReport | Peer) -> dict[tuple[int, int], Spread]:
    """Speeds by depth and tokens at once; 0 is decoding."""
    found = {(one.depth, 0): one.decode_tokens_per_s for one in side.depths}
    return found | {(one.depth, p.n_tokens): p.tokens_per_s for one in side.depths for p in one.prefill}


def _test(n_tokens: int) -> str:
    return f"prefill {n_tokens}" if n_tokens else "decode"


def _batches(report: SpeedReport) -> FittedTable:
    table = _table("One decode of so many tokens, in an empty cache")
    for title in ("tokens", "ms", "ms per token", "tokens/s"):
        table.add_column(title, justify="right")
    for batch in report.batches:
        table.add_row(
            str(batch.n_tokens),
            _spread(batch.ms),
            _number(batch.ms.median / batch.n_tokens),
            _number(batch.n_tokens * 1000 / batch.ms.median),
        )
    return table


def _memory(memory: Memory) -> FittedTable:
    table = _table("Memory of the process")
    table.add_column("")
    table.add_column("MB", justify="right")
    for name, n_bytes in _memory_rows(memory):
        table.add_row(name, f"{n_bytes / 1e6:,.1f}")
    return table


def _memory_rows(memory: Memory) -> Iterator[tuple[str, int]]:
    yield "resident", memory.resident_bytes
    yield "weights", memory.weights_bytes
    yield "KV cache", memory.kv_bytes
    if memory.beyond_bytes is not None:
        yield "beyond weights and KV cache", memory.beyond_bytes
    yield "before the model was loaded", memory.started_bytes


def _contention(report: SpeedReport) -> Iterator[str]:
    if report.busy_cores > BUSY_CORES:
        yield (
            f"other programs kept {report.busy_cores:.1f} cores busy meanwhile. Where they took turns with "
            f"the {counted(report.threads, 'thread')}, figures are too low, and ratios may be anything."
        )


def _table(title: str) -> FittedTable:
    return FittedTable(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def _spread(values: Spread) -> str:
    if values.n == 1:
        return _number(values.median)
    return f"{_number(values.median)} ({_number(values.least)} to {_number(values.greatest)})"


def _number(value: float) -> str:
    """Three significant digits, and all those before the point."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{decimals}f}"
