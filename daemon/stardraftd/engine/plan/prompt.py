"""A completion's text, laid out in token ids exactly as the model saw it in training.

StarCoder2 (arXiv 2402.19173 §5) was trained on two fill-in-the-middle layouts, half and half:

    PSM     files <fim_prefix> path\\n prefix <fim_suffix> suffix <fim_middle>
    SPM v2  files <fim_prefix><fim_suffix> suffix <fim_middle> path\\n prefix

    where files, in a repository, is [<repo_name> R] (<file_sep> path\\n text)... <file_sep>

The three parts were split at characters and tokenised apart; no space or newline stands around a
sentinel. The parts are therefore tokenised one by one with special-token parsing off, so a literal
`<fim_middle>` in somebody's file stays text.

Typing must only ever extend the end of a prompt. In SPM v2 it does. In PSM it does when the prefix stops at
an anchor, a line start at or above the cursor, and what stands between the anchor and the cursor comes
after `<fim_middle>`, as the beginning of the middle that the model is to finish:

    anchored PSM   files <fim_prefix> path\n prefix up to the anchor <fim_suffix> suffix <fim_middle> typed

Which layout, anchor and window a request gets is the planner's choice. For a layout that was asked for by
name, `build` makes the plain prompt with as much context as a budget allows.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from stardraftd.gguf.fim_tokens import FimTokens
from stardraftd.protocol.completion import Completion, ContextChunk, Layout

# The tokenizer is native code that parses untrusted text: no part is longer than this, in bytes.
MAX_PART_BYTES = 256 * 1024


class Tokenizer(Protocol):
    def tokenize(self, text: bytes) -> "array[int]": ...

    def piece(self, token: int, /) -> bytes: ...


@dataclass(frozen=True)
class Budget:
    """How many tokens a prompt may have in all, and how many of them its suffix and other files."""

    n_prompt: int
    n_suffix: int
    n_chunks: int

    @classmethod
    def of_window(cls, n_window: int, n_generated: int) -> "Budget":
        """A quarter each for the suffix and for other files at most; the prefix has what is left.

        The suffix's share does not depend on how long the prefix is, or typing would move it.
        """
        n_prompt = max(n_window - n_generated, 64)
        return cls(n_prompt=n_prompt, n_suffix=n_prompt // 4, n_chunks=n_prompt // 4)


class RepositoryPart(NamedTuple):
    """What stands before the cursor's own file, in tokens. n_chunks: of `ids`, those of other files.

    is_cut: whether some of the other files were cut or left out, because they did not fit.
    """

    ids: "array[int]"
    n_chunks: int
    is_cut: bool


@dataclass(frozen=True)
class Prompt:
    ids: "array[int]"
    layout: Layout
    n_suffix: int
    n_context: int
    context_cut: bool


class PromptBuilder:
    """Lays out prompts for one vocabulary."""

    def __init__(self, tokenizer: Tokenizer, sentinels: FimTokens) -> None:
        self._tokenizer = tokenizer
        self._sentinels = sentinels
        self._piece = lru_cache(maxsize=8192)(tokenizer.piece)

    def build(self, completion: Completion, layout: Layout, budget: Budget) -> Prompt:
        """The plain prompt for `completion`, at most `budget.n_prompt` tokens long."""
        ids, _, context_cut = self.repository_part(completion.repository, completion.chunks, budget.n_chunks)
        n_context = len(ids)
        suffix = self.suffix_part(completion.suffix, budget.n_suffix)
        n_left = budget.n_prompt - len(ids) - len(suffix) - 3
        prefix = self.prefix_part(completion.path, completion.prefix, n_left)
        nothing = array("i")
        psm = layout == "psm"
        ids = self.psm(ids, prefix, suffix, nothing) if psm else self.spm(ids, suffix, prefix)
        return Prompt(
            ids=ids,
            layout=layout,
            n_suffix=len(suffix),
            n_context=n_context,
            context_cut=context_cut,
        )

    def psm(
        self, files: "array[int]", prefix: "array[int]", suffix: "array[int]", typed: "array[int]"
    ) -> "array[int]":
        """Anchored PSM; plain PSM when `typed` is empty."""
        fim = self._sentinels
        ids = self.file(files, prefix)
        ids.append(fim.suffix)
        ids += suffix
        ids.append(fim.middle)
        ids += typed
        return ids

    def spm(self, files: "array[int]", suffix: "array[int]", prefix: "array[int]") -> "array[int]":
        """SPM, the second variant."""
        fim = self._sentinels
        ids = files[:]
        ids.extend((fim.prefix, fim.suffix))
        ids += suffix
        ids.append(fim.middle)
        ids += prefix
        return ids

    def file(self, files: "array[int]", text: "array[int]") -> "array[int]":
        """The beginning that all PSM prompts of a file share: what its own sequence holds."""
        ids = files[:]
        ids.append(self._sentinels.prefix)
        ids += text
        return ids

    def text(self, text: str, path: str = "") -> "array[int]":
        """Tokens of `path\\n` and a text; of the text alone without a path."""
        return self._tokenize(f"{path}\n{text}" if path else text)

    def suffix_text(self, suffix: str, n_most: int) -> str:
        """The beginning of `suffix` that `suffix_part` keeps, as text."""
        ids = self.suffix_part(suffix, n_most)
        size = sum(len(self._piece(token)) for token in ids)
        return suffix.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")

    def window_starts(self, prefix: str, sizes: Sequence[int]) -> list[int]:
        """For each of `sizes` (ascending): where in `prefix` its last so many tokens begin, at a line start.

        A last line that is longer than that is cut.
        """
        starts: list[int] = []
        n_tokens, start = 0, len(prefix)
        end = len(prefix)
        for size in sizes:
            while start > 0:
                line_start = prefix.rfind("\n", 0, end - 1) + 1 if end > 0 else 0
                n_line = len(self._tokenize(prefix[line_start:end]))
                if n_tokens + n_line > size:
                    break
                n_tokens += n_line
                start = end = line_start
            starts.append(start if start < len(prefix) or not prefix else max(0, len(prefix) - size * 2))
        return starts

    def repository_part(self, repository: str, chunks: Sequence[ContextChunk], n_most: int) -> RepositoryPart:
        """`[repo_name R][file_sep path\\n text]...[file_sep]`, or nothing outside a repository.

        Where they do not all fit, the oldest are left out, and the first that is kept is cut to whole lines
        from its beginning. The closing separator is the one that
        stands before the cursor's own file.
        """
        fim = self._sentinels
        ids = array("i")
        if fim.separator is None or not (repository or chunks):
            return RepositoryPart(ids, 0, bool(chunks))
        if repository and fim.repository is not None:
            ids.append(fim.repository)
            ids += self._tokenize(repository)
        newest_first: list[array[int]] = []
        n_left = n_most - len(ids) - 1
        cut = False
        for chunk in reversed(chunks):
            part = array("i", [fim.separator])
            part += self._tokenize(f"{chunk.path}\n{chunk.text}" if chunk.path else chunk.text)
            if len(part) > n_left:
                cut = True
                part = self._whole_lines(part, n_left)
            if part:
                newest_first.append(part)
                n_left -= len(part)
            if cut:
                break
        for part in reversed(newest_first):
            ids += part
        ids.append(fim.separator)
        return RepositoryPart(ids, sum(map(len, newest_first)), cut)

    def _whole_lines(self, part: "array[int]", n_most: int) -> "array[int]":
        """The beginning of a chunk, up to a line end; nothing when not even its path and a line fit."""
        line_ends = [i for i in range(max(n_most, 0)) if self._piece(part[i]).startswith(b"\n")]
        return part[: line_ends[-1]] if len(line_ends) > 1 else array("i")

    def suffix_part(self, suffix: str, n_most: int) -> "array[int]":
        """The beginning of the suffix; a cut is made at a line end where one is near."""
        ids = self._tokenize(_first_bytes(suffix, n_most * 16))
        if len(ids) <= n_most:
            return ids
        for i in range(n_most, n_most // 2, -1):
            if self._piece(ids[i]).startswith(b"\n"):
                return ids[:i]
        return ids[:n_most]

    def prefix_part(self, path: str, prefix: str, n_most: int) -> "array[int]":
        """`path\\n` and the end of the prefix.

        What is dropped from the front is a multiple of a quarter of `n_most`, rounded up to a line: so
        while a user types, the front stands still for hundreds of tokens and then moves once.
        """
        head = f"{path}\n" if path else ""
        text = _last_bytes(prefix, MAX_PART_BYTES - len(head.encode("utf-8", "replace")))
        ids = self._tokenize(head + text)
        if len(ids) <= n_most:
            return ids
        step = max(n_most // 4, 1)
        n_dropped = -(-(len(ids) - n_most) // step) * step
        data = text.encode("utf-8", "replace")
        offset = sum(len(self._piece(token)) for token in ids[:n_dropped]) - len(
            head.encode("utf-8", "replace")
        )
        line_end = data.find(b"\n", max(offset, 0))
        if line_end >= 0:
            offset = line_end + 1
        kept = data[max(offset, 0) :].decode("utf-8", "ignore")
        ids = self._tokenize(head + kept)
        if len(ids) <= n_most:
            return ids
        # The line that the cut fell into is all there is: the path stays, the line's front goes.
        head_ids = self._tokenize(head)
        n_kept = n_most - len(head_ids)
        return head_ids + ids[-n_kept:] if n_kept > 0 else ids[-n_most:]

    def _tokenize(self, text: str) -> "array[int]":
        if not text:
            return array("i")
        return self._tokenizer.tokenize(text.encode("utf-8", "replace")[:MAX_PART_BYTES])


def _first_bytes(text: str, n: int) -> str:
    return text if len(text) * 4 <= n else text.encode("utf-8", "replace")[:n].decode("utf-8", "ignore")


def _last_bytes(text: str, n: int) -> str:
    return text if len(text) * 4 <= n else text.encode("utf-8", "replace")[-n:].decode("utf-8", "ignore")
