"""The promises of one editor's session, over any order of keys, questions, cancellations and answers.

In the process, with a daemon that says what the machine lets it say. It always wants the line to become
LINE; where something else was typed it wants `()`. So whatever is shown can be held against the text of that
moment.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stardraft_lsp.session.question import Answer, Question
from stardraft_lsp.session.session import Session
from stardraft_lsp.stats.recorder import Recorder
from stardraft_lsp.status import StatusBoard
from stardraft_lsp.text.folders import Place
from stardraftd.client import DaemonClient
from stardraftd.config import EditorConfig
from stardraftd.errors import DaemonUnreachableError
from stardraftd.protocol.completion import Done, Failed, Text
from stardraftd.protocol.http import CompletionRequest, StreamEvent

LINE = "total = first + second + third"
URIS = ("file:///shop/a.py", "file:///shop/b.py")
SETTINGS = EditorConfig(debounce_ms=0, confidence=False)


def said_to(prefix: str) -> str:
    line = prefix.rpartition("\n")[2]
    return LINE[len(line) :] if LINE.startswith(line) else "()"


class Call:
    """One completion that the daemon was asked for. said: how much of its text it has sent."""

    def __init__(self, request: CompletionRequest) -> None:
        self.request = request
        self.text = said_to(request.prefix)
        self.said = 0
        self.events: asyncio.Queue[StreamEvent | DaemonUnreachableError] = asyncio.Queue()


class ScriptedDaemon:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def complete(self, request: CompletionRequest) -> AsyncIterator[StreamEvent]:
        call = Call(request)
        self.calls.append(call)
        try:
            while True:
                event = await call.events.get()
                if isinstance(event, DaemonUnreachableError):
                    raise event
                yield event
                if isinstance(event, Done | Failed):
                    return
        finally:
            self.calls.remove(call)


class Asked:
    """A question that an editor asked, and the text that it was asked about."""

    def __init__(self, uri: str, prefix: str) -> None:
        self.uri, self.prefix = uri, prefix
        self.grown: list[Answer] = []
        self.task: asyncio.Task[Answer] | None = None


class SessionStates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.daemon = ScriptedDaemon()
        self.texts = dict.fromkeys(URIS, "first = second = third = 1\n")
        self.asked: list[Asked] = []
        self.loop.run_until_complete(self.begin())

    async def begin(self) -> None:
        board = StatusBoard(lambda _report: None, lambda _error: None)
        recorder = Recorder(Path(self.folder.name) / "stats.db", enabled=False)
        self.session = Session(cast(DaemonClient, self.daemon), board, recorder)

    async def settle(self) -> None:
        for _ in range(40):
            await asyncio.sleep(0)

    def act(self, what: Callable[[], Any]) -> None:
        async def acted() -> None:
            what()
            await self.settle()

        self.loop.run_until_complete(acted())

    # --- what happens ----------------------------------------------------------------------------

    def ask_now(self, uri: str) -> None:
        text = self.texts[uri]
        asked = Asked(uri, text)
        question = Question(
            uri, "python", Place("a.py", ""), text, len(text), invoked=False, settings=SETTINGS
        )
        asked.task = asyncio.create_task(self.session.ask(question, asked.grown.append))
        self.asked.append(asked)

    @rule(uri=st.sampled_from(URIS))
    def ask(self, uri: str) -> None:
        self.act(lambda: self.ask_now(uri))

    @rule(uri=st.sampled_from(URIS), follows=st.sampled_from([True, True, True, False]), asks=st.booleans())
    def type_key(self, uri: str, follows: bool, asks: bool) -> None:
        line = self.texts[uri].rpartition("\n")[2]
        rest = said_to(self.texts[uri])
        char = rest[:1] or "\n" if follows and LINE.startswith(line) else "z"
        self.texts[uri] += char

        def typed() -> None:
            self.session.changed(uri, self.texts[uri])
            if asks:
                self.ask_now(uri)

        self.act(typed)

    @rule(uri=st.sampled_from(URIS))
    def delete_key(self, uri: str) -> None:
        text = self.texts[uri]
        if not text.endswith("\n"):
            self.texts[uri] = text[:-1]
            self.act(lambda: self.session.changed(uri, text[:-1]))

    @rule(which=st.integers(0, 3), n=st.integers(1, 12))
    def say(self, which: int, n: int) -> None:
        if self.daemon.calls:
            call = self.daemon.calls[which % len(self.daemon.calls)]
            piece = call.text[call.said : call.said + n]
            call.said += len(piece)
            if piece:
                self.act(lambda: call.events.put_nowait(Text(piece)))

    @rule(which=st.integers(0, 3))
    def end(self, which: int) -> None:
        if self.daemon.calls:
            call = self.daemon.calls[which % len(self.daemon.calls)]
            rest, call.said = call.text[call.said :], len(call.text)

            def ended() -> None:
                if rest:
                    call.events.put_nowait(Text(rest))
                call.events.put_nowait(Done(call.text, "boundary"))

            self.act(ended)

    @rule(which=st.integers(0, 3))
    def fail(self, which: int) -> None:
        if self.daemon.calls:
            call = self.daemon.calls[which % len(self.daemon.calls)]
            gone = DaemonUnreachableError("The daemon is gone.", "It is started again.")
            self.act(lambda: call.events.put_nowait(gone))

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        waiting = [asked for asked in self.asked if asked.task is not None and not asked.task.done()]
        if waiting:
            task = waiting[which % len(waiting)].task
            assert task is not None
            self.act(task.cancel)

    @rule(uri=st.sampled_from(URIS))
    def close(self, uri: str) -> None:
        self.act(lambda: self.session.close(uri))

    @rule()
    def forget(self) -> None:
        self.act(self.session.forget_suggestions)

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def one_generation_a_document(self) -> None:
        documents = [call.request.document for call in self.daemon.calls]
        assert len(documents) == len(set(documents))

    @invariant()
    def only_the_newest_question_waits(self) -> None:
        for uri in URIS:
            about = [asked for asked in self.asked if asked.uri == uri]
            assert all(asked.task is not None and asked.task.done() for asked in about[:-1])

    @invariant()
    def what_waits_waits_for_something(self) -> None:
        waiting = {asked.uri for asked in self.asked if asked.task is not None and not asked.task.done()}
        assert waiting <= {call.request.document for call in self.daemon.calls}

    @invariant()
    def what_is_shown_fits_the_text_it_was_asked_for(self) -> None:
        for asked in self.asked:
            answers = list(asked.grown)
            if asked.task is not None and asked.task.done() and not asked.task.cancelled():
                answers.append(asked.task.result())
            for answer in answers:
                assert said_to(asked.prefix).startswith(answer.text), f"{answer.text!r} in {asked.prefix!r}"
                assert bool(answer.text) != bool(answer.reason), "neither a text nor a reason"

    @invariant()
    def what_grows_only_grows(self) -> None:
        for asked in self.asked:
            shown = [answer.text for answer in asked.grown]
            assert all(later.startswith(text) for text, later in itertools.pairwise(shown))

    def teardown(self) -> None:
        async def finish() -> None:
            await self.session.finish()
            await self.settle()
            assert not self.daemon.calls, "something is still being generated"
            for asked in self.asked:
                assert asked.task is not None
                assert asked.task.done(), "a question was never answered"

        self.loop.run_until_complete(finish())
        self.loop.close()
        self.folder.cleanup()


SessionStates.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSessionStates = SessionStates.TestCase
