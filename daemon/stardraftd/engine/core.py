"""One completion inside the engine: plan, reuse what is cached, evaluate the rest, decode, stop.

This is the engine process's main thread at work. A completion is a generator that pauses between two decodes,
so several editors' can take turns. Its events go out through `emit`; whether the request is still wanted
comes in through `interrupt`, which also raises the abort flag inside a decode.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from stardraftd.engine.background import Background, Work
from stardraftd.engine.cache.recall import Generation, Generations, Recall, growing
from stardraftd.engine.cache.saved import SavedSequences, fingerprint
from stardraftd.engine.cache.sequences import NO_ROOM, Reuse, SequenceCache, common_prefix
from stardraftd.engine.decode.decoding import Decoder, stop_ids
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.decode.drafting import Speculation
from stardraftd.engine.decode.run import Run
from stardraftd.engine.evaluator import Evaluator
from stardraftd.engine.interrupt import Interrupt
from stardraftd.engine.native.llama import Aborted, DecodeError
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.engine.plan.calibration import calibrate, keep_speeds, open_speeds
from stardraftd.engine.plan.line_tokenizer import LineTokenizer
from stardraftd.engine.plan.planner import Candidate, Planner, View
from stardraftd.engine.plan.prompt import PromptBuilder
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.errors import EngineError
from stardraftd.protocol.completion import Completion, CompletionEvent, Plan, Speeds
from stardraftd.protocol.engine import EngineSettings, Saved, Warmed

log = logging.getLogger(__name__)

# A saved sequence is read from disk when it spares so many tokens.
MIN_RESTORED = 64
MIN_SAVED = 64
# With layers on a GPU the most of a file that is shown; on a CPU it is what decoding can bear.
GPU_WINDOW = 4096


class Engine:
    """A loaded model, its cached sequences, and the making of completions.

    settings: what the model was loaded with, and where speeds and sequences are kept.
    speeds:   what decodes cost; by default what was measured here before, or is measured now.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        n_sequences: int,
        settings: EngineSettings | None = None,
        speeds: SpeedModel | None = None,
    ) -> None:
        settings = settings or EngineSettings(model_path=loaded.info.path)
        tokenizer = LineTokenizer(loaded.model, loaded.pre_tokenizer)
        self.loaded = loaded
        self.cache = SequenceCache(loaded.context, n_sequences, loaded.window)
        self.speeds = speeds or open_speeds(loaded, self.cache, settings)
        self.prompts = PromptBuilder(tokenizer, loaded.sentinels)
        self.planner = Planner(
            self.prompts,
            self.cache,
            self.speeds,
            n_window=self._window(),
            n_batch=loaded.context.n_batch,
            knows_spm=loaded.architecture == "starcoder2",
        )
        self.generations = Generations()
        self.decoder = Decoder(
            loaded, self.cache, self.speeds, tokenizer.piece, self._speculation(tokenizer, settings)
        )
        self._settings = settings
        self._saved = _saved_sequences(loaded, settings)
        self.evaluator = Evaluator(self.cache, loaded.context.n_batch)
        self._background = Background(
            self.cache,
            evaluator=self.evaluator,
            planner=self.planner,
            generations=self.generations,
            decoder=self.decoder,
            calibrate=self._calibrated,
        )

    # --- completions -----------------------------------------------------------------------------

    def complete(
        self, completion: Completion, emit: Callable[[CompletionEvent], None], interrupt: Interrupt
    ) -> None:
        """Runs one completion; the last event emitted is `Done`. Raises EngineError when decoding fails."""
        for _ in self.steps(completion, emit, interrupt):
            pass

    def steps(
        self, completion: Completion, emit: Callable[[CompletionEvent], None], interrupt: Interrupt
    ) -> Iterator[None]:
        """A completion, a decode at a time. What runs in the pauses may use the cache as well."""
        run = Run(self._fitting(completion), emit, interrupt)
        try:
            recall = self.generations.find(run.completion)
            if recall is not None:
                yield from self._go_on(recall, run)
            else:
                yield from self._plan_and_make(run)
        except Aborted:
            run.finish(interrupt.reason or "cancelled")
        except DecodeError as error:
            if error.code != NO_ROOM:
                self.forget_all()
                raise EngineError(
                    f"llama.cpp failed to evaluate the prompt ({error}).",
                    "If it happens again, `stardraft daemon logs` has llama.cpp's own words.",
                ) from error
            run.finish("context_full")
        emit(run.done(self.loaded))

    def warm(
        self, completion: Completion, level: int, emit: Callable[[Warmed], None], interrupt: Interrupt
    ) -> Iterator[None]:
        """Background work for a document, a decode at a time; the last event is `Warmed`."""
        work = Work(interrupt)
        finished = False
        try:
            view = self.planner.view(self._fitting(completion))
            self._restore(view)
            yield from self._background.steps(view, level, work)
            finished = True
        except Aborted:
            pass
        except DecodeError as error:
            log.warning("background work ended: %s", error)
            finished = True  # there is no room for more: asking again would not make any
            if error.code != NO_ROOM:
                self.forget_all()
        emit(Warmed(finished, work.n_evaluated, work.n_generated, self.measured()))

    def measured(self) -> Speeds:
        speeds = self.speeds
        return Speeds(
            batch_ms=tuple((n, round(ms, 3)) for n, ms in speeds.curve),
            cell_us=round(speeds.cell_us, 4),
            calibrated=not speeds.missing,
            n_predictions=speeds.n_predictions,
            error=round(speeds.error, 4),
            n_cells=self.loaded.context.n_cells,
            n_cells_used=self.cache.n_cells_used,
            n_window=self.planner.n_window,
            speculates=self.decoder.speculation is not None and self.decoder.speculation.pays,
        )

    @property
    def expected_s(self) -> float:
        """How long the decode that llama.cpp is in takes, as measured; 0 outside of one. For any thread."""
        return self.speeds.decode_ms(self.cache.n_evaluating, self.loaded.context.n_cells) / 1000

    def _calibrated(self, interrupt: Interrupt) -> Iterator[None]:
        """Measures what decodes cost that is not known yet. It is kept, and the window follows it."""
        yield from calibrate(self.loaded, self.cache, self.speeds, interrupt)
        keep_speeds(self.loaded, self._settings, self.speeds)
        self.planner.n_window = self._window()

    def forget_all(self) -> None:
        self.cache.forget_all()
        self.generations.forget()

    def forget_unused(self) -> None:
        """Forgets all that no request is at work on."""
        for sequence in self.cache.sequences:
            if not sequence.pins:
                self.cache.drop(sequence)

    # --- a plan, carried out ---------------------------------------------------------------------

    def _plan_and_make(self, run: Run) -> Iterator[None]:
        view = self.planner.view(run.completion)
        self._restore(view)
        plan = self.planner.plan(view, run.completion.max_tokens)
        run.planned(self._announcement(view, plan))
        if plan.splice is not None:
            yield from self.evaluator.splice(run.completion.document, plan.splice, run)
            plan = dataclasses.replace(plan, reuse=self.cache.reuse(plan.ids))
        sequence = self.planner.take(plan, run.completion.document)
        with self.cache.pinned(sequence):
            run.begins_with(len(sequence.tokens))
            yield from self.evaluator.evaluate(sequence, plan.ids, run)
            self.loaded.context.synchronize()
            run.prefilled()
            self.speeds.took(plan.predicted_ms, run.prefill_ms)
            if run.completion.n_candidates > 1:
                yield from self.decoder.decode_several(sequence, run)
                return
            generation = Generation(run.completion, plan.ids, plan.layout, plan.stale)
            if run.completion.temperature <= 0:
                self.generations.keep(generation)
            with growing(generation):
                yield from self.decoder.decode(sequence, generation, run)

    def _go_on(self, recall: Recall, run: Run) -> Iterator[None]:
        """Answers with what was generated before the request came, and generates what lacks behind it."""
        generation, rest = recall.generation, recall.rest()
        # Tokens that are still to be shown are of the answer; each counts once.
        n_prompt = len(generation.prompt) + len(generation.tokens) - len(rest)
        run.planned(
            Plan(
                layout=generation.layout,
                n_prompt=n_prompt,
                n_reused=n_prompt,
                n_evaluated=0,
                kind="recalled",
                stale=generation.stale,
            )
        )
        run.begins_with(n_prompt)
        run.prefilled()
        for token, piece in rest:
            run.recalled(token, piece)
            if run.main.reason:
                return
        if generation.ended:
            run.finish("end")
        else:
            with growing(generation), self.evaluator.resumed(generation) as sequence:
                run.begins_with(len(sequence.tokens) - run.n_recalled)
                yield from self.evaluator.evaluate(sequence, generation.ids, run)
                yield from self.decoder.decode(sequence, generation, run)

    def _announcement(self, view: View, plan: Candidate) -> Plan:
        held = self.cache.find(view.completion.document, "file")
        return Plan(
            layout=plan.layout,
            n_prompt=len(plan.ids),
            n_reused=plan.reuse.n_tokens,
            n_evaluated=plan.n_evaluated,
            n_context=len(view.files),
            n_chunks=view.n_chunks,
            n_chunks_most=self.planner.n_chunks_most,
            context_cut=view.context_cut,
            kind=plan.kind,
            predicted_ms=round(plan.predicted_ms, 3),
            stale=plan.stale,
            n_window=plan.n_visible,
            n_later=max(0, view.n_file - (len(held[0].tokens) if held else 0)),
        )

    def _speculation(self, tokenizer: LineTokenizer, settings: EngineSettings) -> Speculation | None:
        """None when it is off, or when wrong guesses could not be taken back from the cache."""
        if settings.speculation == "off" or not self.loaded.context.can_cut:
            return None
        beside = DraftModel.beside(self.loaded, settings.draft_path) if settings.draft_path else None
        return Speculation(self.speeds, self.prompts.text, tokenizer.piece, stop_ids(self.loaded), beside)

    # --- what bounds it --------------------------------------------------------------------------

    def _fitting(self, completion: Completion) -> Completion:
        """Not more generated than there is room for beside a prompt."""
        n_most = self.planner.n_window // 2
        if completion.max_tokens <= n_most:
            return completion
        return msgspec.structs.replace(completion, max_tokens=n_most)

    def _window(self) -> int:
        n_most = min(self.loaded.model.n_context_trained, self.loaded.context.n_cells // 2)
        if self.loaded.row:
            n_most = min(n_most, self.loaded.row * 3 // 4)  # a suffix and an answer come on top
        if self.loaded.info.gpu_layers:
            return min(GPU_WINDOW, n_most)
        return self.speeds.window(min(GPU_WINDOW, n_most))

    # --- saved and restored ----------------------------------------------------------------------

    def save(self) -> Saved:
        """Writes the files' sequences to disk, those used last being the last to be deleted there."""
        if self._saved is None or not self.cache.can_cut:  # a state serves only the very text that it is of
            return Saved(0, 0)
        n_saved = size_bytes = 0
        for sequence in reversed(self.cache.files()):
            self.cache.truncate(sequence, sequence.n_exact)
            if len(sequence.tokens) < MIN_SAVED or sequence.n_forgotten:
                continue
            state = self.loaded.context.save_sequence(sequence.index)
            if self._saved.put(_saved_key(sequence.document), sequence.tokens, sequence.n_exact, state):
                n_saved += 1
                size_bytes += len(state)
        return Saved(n_saved, size_bytes)

    def _restore(self, view: View) -> None:
        """Puts a document's saved sequence into the cache, if it was not worked on since and still fits."""
        document = view.completion.document
        if self._saved is None or not self.cache.can_cut or self.cache.knows(document):
            return
        tokens = self._saved.tokens_of(_saved_key(document))
        if tokens is None:
            return
        ids = self.planner.file_ids(view)
        n_useful = common_prefix(tokens, ids)
        if n_useful < self.cache.reuse(ids).n_tokens + MIN_RESTORED:
            return
        saved = self._saved.find(_saved_key(document))
        if saved is None:
            return
        tokens = saved.tokens  # those that the checksum is over
        n_useful = common_prefix(tokens, ids)
        self.cache.make_room(len(tokens))
        sequence = self.cache.fork(Reuse(None, 0, 0), document, "file")
        if not self.loaded.context.restore_sequence(sequence.index, saved.state):
            self.cache.drop(sequence)
            return
        self.cache.adopt(sequence, tokens, min(saved.n_exact, len(tokens)))
        self.cache.truncate(sequence, n_useful)


def _saved_sequences(loaded: LoadedModel, settings: EngineSettings) -> SavedSequences | None:
    if not settings.cache_folder or not settings.saved_bytes:
        return None
    info = loaded.info
    what = f"{settings.kv_type} {settings.flash_attention} {info.gpu_layers} {info.device} {info.system_info}"
    return SavedSequences(
        Path(settings.cache_folder) / "sequences",
        fingerprint(Path(info.path), loaded.header_bytes, what),
        max_bytes=settings.saved_bytes,
        max_days=settings.saved_days,
    )


def _saved_key(document: str) -> str:
    """The document without the front end that asks: an editor that is started anew finds what it left."""
    return document.partition("\n")[2] or document
