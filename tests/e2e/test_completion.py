"""A completion through the daemon and the engine: what comes, what it cost, how it ends early."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from stardraftd.client import DaemonClient
from stardraftd.errors import RequestError
from stardraftd.protocol.completion import Done, Draft, Failed, Figures, Plan, Text
from tests.e2e.conftest import LONG_PREFIX, PREFIX, SUFFIX, request
from tests.support.home import write_config
from tests.support.streams import collect, done, only, run_until


def figures(event: Done) -> Figures:
    assert event.figures is not None
    return event.figures


async def test_a_line_is_completed_with_token_probabilities_and_figures(shared_client: DaemonClient) -> None:
    events = await collect(shared_client.complete(request()))
    texts, last = only(Text, events), events[-1]
    assert isinstance(last, Done)
    assert last.text.strip()
    assert "\n" not in last.text
    assert last.finish_reason == "boundary"
    tokens = [token for text in texts for token in text.tokens]
    assert tokens
    assert all(token.logprob <= 0 for token in tokens)
    assert figures(last).model == "stardraft-tiny"
    assert figures(last).first_token_ms > 0


async def test_a_typed_character_costs_a_token_and_changes_nothing(client: DaemonClient) -> None:
    await done(client, request())
    # Not what was suggested: that would be answered without the model.
    warm = await done(client, request(prefix=PREFIX + "zq"))
    await client.stop()  # a new daemon has a new engine, with nothing cached
    cold = await done(client, request(prefix=PREFIX + "zq"))
    assert 1 <= figures(warm).n_evaluated <= 2
    assert figures(cold).n_reused == 0
    assert figures(cold).n_evaluated == figures(warm).n_prompt
    assert warm.text == cold.text


async def test_what_the_daemon_counts_is_the_sum_of_what_each_completion_was(client: DaemonClient) -> None:
    """Also of one from memory, and one that goes on from there."""
    before = await client.status()
    first = await done(client, request())
    recalled = await done(client, request(prefix=PREFIX + first.text[:1], max_tokens=2))
    resumed = await done(client, request(prefix=PREFIX + first.text[:1], mode="free"))
    told = [figures(one) for one in (first, recalled, resumed, await done(client, request(document="other")))]
    for one in told:
        assert one.n_prompt == one.n_evaluated + one.n_reused
    assert figures(recalled).n_recalled > 0
    after = await client.status()
    assert after.tokens_evaluated - before.tokens_evaluated == sum(one.n_evaluated for one in told)
    assert after.tokens_reused - before.tokens_reused == sum(one.n_reused for one in told)
    assert after.tokens_generated - before.tokens_generated == sum(one.n_generated for one in told)
    assert after.tokens_recalled - before.tokens_recalled == sum(one.n_recalled for one in told)


async def test_guesses_change_no_text_and_are_in_no_log(
    in_home: dict[str, str], client: DaemonClient
) -> None:
    write_config(in_home, '[daemon]\nlog_level = "debug"\n')
    plain = await done(client, request(mode="free", max_tokens=24))
    drafts = (Draft(text=plain.text), Draft(text="conspicuous_guess = 1\n", before="self."))
    # At another path nothing is recalled.
    guessed = await done(client, request(path="b.py", mode="free", max_tokens=24, drafts=drafts))
    await client.stop()
    again = await done(client, request(path="b.py", mode="free", max_tokens=24))
    assert guessed.text == again.text
    log = Path((await client.status()).log_path).read_text()
    assert "request done" in log
    assert "conspicuous_guess" not in log


async def test_what_another_document_begins_with_is_not_evaluated_again(client: DaemonClient) -> None:
    await done(client, request())
    other = await done(client, request(document="another document", prefix=PREFIX + "i"))
    assert figures(other).n_reused > 16


async def test_what_was_generated_is_reused_when_it_is_accepted(client: DaemonClient) -> None:
    first = await done(client, request())
    accepted = await done(client, request(prefix=PREFIX + first.text))
    assert figures(accepted).n_evaluated <= 2


async def test_another_editors_same_text_is_answered_with_what_was_generated(
    in_home: dict[str, str], client: DaemonClient
) -> None:
    first = await done(client, request())
    async with DaemonClient("another editor") as other:
        again = await done(other, request())
        typed = await done(other, request(prefix=PREFIX + first.text[:2]))
    assert again.text == first.text
    assert figures(again).n_recalled == figures(again).n_generated
    assert (figures(again).n_evaluated, figures(typed).n_evaluated) == (0, 0)
    assert typed.text == first.text[2:]


async def test_the_same_seed_samples_the_same_text_and_another_seed_can_differ(
    shared_client: DaemonClient,
) -> None:
    def sampled(seed: int) -> object:
        return request(temperature=1.5, seed=seed, mode="free", max_tokens=12)

    texts = [(await done(shared_client, sampled(seed))).text for seed in (1, 1, 2, 3)]  # type: ignore[arg-type]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


async def test_psm_is_laid_out_when_it_is_asked_for(shared_client: DaemonClient) -> None:
    events = await collect(shared_client.complete(request(layout="psm")))
    assert [plan.layout for plan in only(Plan, events)] == ["psm"]


async def test_literal_sentinels_in_the_source_are_text(shared_client: DaemonClient) -> None:
    last = await done(shared_client, request(prefix="# <fim_middle> and <|endoftext|>\n" + PREFIX))
    assert last.text.strip()


async def test_more_text_than_the_window_holds_is_cut_not_refused(shared_client: DaemonClient) -> None:
    last = await done(shared_client, request(prefix=LONG_PREFIX * 20 + PREFIX, suffix=SUFFIX * 500))
    assert figures(last).n_prompt <= 2048


async def test_a_newer_request_for_the_document_supersedes_the_running_one(client: DaemonClient) -> None:
    await done(client, request())
    newer: list[asyncio.Task[Done]] = []

    def type_on() -> None:
        newer.append(asyncio.create_task(done(client, request(prefix=PREFIX + "i"))))

    older = await run_until(
        client.complete(request(mode="free", suffix="", max_tokens=900)),
        lambda event: isinstance(event, Text),
        type_on,
    )
    assert isinstance(older[-1], Done)
    assert older[-1].finish_reason == "superseded"
    assert (await newer[0]).finish_reason == "boundary"


async def test_another_document_waits_its_turn_and_is_not_superseded(shared_client: DaemonClient) -> None:
    first, second = await asyncio.gather(
        done(shared_client, request(document="one")), done(shared_client, request(document="two"))
    )
    assert first.finish_reason == second.finish_reason == "boundary"


async def test_a_cancel_in_prefill_frees_the_engine_and_the_next_request_is_served(
    slow_client: DaemonClient, record_property: Callable[[str, object], None]
) -> None:
    await done(slow_client, request())
    before = await slow_client.status()
    stream = slow_client.complete(request(prefix=LONG_PREFIX, target_ms=60_000.0, document="long"))
    async for event in stream:
        assert isinstance(event, Plan)  # prefill has begun
        break
    moment = time.perf_counter()
    await stream.aclose()
    next_one = await done(slow_client, request(prefix=PREFIX + "i"))
    record_property("cancel_to_next_done_ms", round((time.perf_counter() - moment) * 1000, 1))
    assert next_one.finish_reason in ("boundary", "max_tokens")
    after = await slow_client.status()
    assert after.cancelled == before.cancelled + 1
    evaluated = after.tokens_evaluated - before.tokens_evaluated - figures(next_one).n_evaluated
    assert evaluated < event.n_evaluated, "the prefill ran to its end"


async def test_a_cancel_while_decoding_ends_the_generation(client: DaemonClient) -> None:
    stream = client.complete(request(mode="free", suffix="", max_tokens=1000))
    async for event in stream:
        if isinstance(event, Text):
            break
    await stream.aclose()
    await done(client, request())
    status = await client.status()
    assert status.cancelled == 1
    assert status.tokens_generated < 900


async def test_a_wrong_request_is_told_what_is_wrong(shared_client: DaemonClient) -> None:
    await shared_client.hello()
    with pytest.raises(RequestError, match=r"max_tokens"):
        await collect(shared_client.complete(request(max_tokens=0)))


@pytest.mark.skipif(os.name != "posix", reason="it posts to the Unix socket itself")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "Expected `object`"),
        (b'{"document": "a"}', "prefix"),
        (b'{"document": "a", "prefix": "", "prefx": ""}', "prefx"),
        (b'{"document": "a", "prefix": 3}', "prefix"),
        (b'{"document": "", "prefix": ""}', "document"),
        (b"\xff\xfe", "not JSON"),
    ],
)
async def test_bad_bodies_are_refused_with_a_sentence(
    shared_client: DaemonClient, body: bytes, says: str
) -> None:
    await shared_client.hello()
    socket = (await shared_client.status()).endpoint
    transport = httpx.AsyncHTTPTransport(uds=socket)
    async with httpx.AsyncClient(transport=transport, base_url="http://stardraft") as http:
        answer = await http.post("/v1/complete", content=body)
        assert answer.status_code == 400
        assert says in msgspec.json.decode(answer.content)["message"]
        lost = await http.get("/v1/nowhere")
        assert lost.status_code == 404


async def test_a_body_larger_than_any_prompt_is_refused(shared_client: DaemonClient) -> None:
    with pytest.raises(RequestError, match="longer than"):
        await collect(shared_client.complete(request(prefix="x" * 9_000_000)))


async def test_the_loaded_model_says_that_it_is_a_toy(shared_client: DaemonClient) -> None:
    events = await collect(shared_client.load())
    assert not only(Failed, events)
    status = await shared_client.status()
    assert status.model is not None
    assert status.model.toy
    assert status.engine == "ready"
