"""Proxies as the environment names them: those that work do, and a misspelt one is a sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from stardraftd.errors import ModelDownloadError
from stardraftd.models import hub
from tests.support.hub import Hub, huggingface_hub_at
from tests.support.hub_place import point_at
from tests.support.socks_proxy import socks_proxy

REPOSITORY = "someone/models"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with Hub() as stand_in, huggingface_hub_at(stand_in, tmp_path / "hf"):
        point_at(stand_in.url, monkeypatch)
        stand_in.add(REPOSITORY, {"m.gguf": b"GGUF"})
        yield stand_in


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_is_used(stand_in: Hub, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socks_proxy() as (port, led_to):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        assert hub.listing(REPOSITORY, "main").find("m.gguf") is not None
        assert [f"http://{host}:{port}" for host, port in led_to] == [stand_in.url]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks4://127.0.0.1:1080"),
        ("ALL_PROXY", "sock5://127.0.0.1:1080"),
        ("http_proxy", "htp://proxy:3128"),
        ("HTTP_PROXY", "http://proxy:port"),
        ("HTTP_PROXY", "http://127.0.0.1:99999"),
        ("HTTP_PROXY", "socks5://127.0.0.1:99999"),
        ("all_proxy", "http://[proxy"),
        ("HTTP_PROXY", "http://user:secret@proxy:no-port"),
        ("HTTP_PROXY", "proxy:not-a-port"),
    ],
)
def test_a_misspelt_proxy_is_named(
    stand_in: Hub, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelDownloadError) as refused:
        hub.listing(REPOSITORY, "main")
    assert variable in refused.value.message + refused.value.hint
    assert "secret" not in refused.value.message + refused.value.hint


# The HTTP library leaves the socket of a proxy that does not speak SOCKS to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_proxy_that_is_not_there_or_speaks_otherwise_is_a_sentence(
    stand_in: Hub, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    for address in (stand_in.dead_url, stand_in.url):
        monkeypatch.setenv("HTTP_PROXY", address.replace("http", scheme, 1))
        close_session()
        if scheme == "http" and address == stand_in.url:
            continue  # the stand-in takes a proxy's requests for its own
        with pytest.raises(ModelDownloadError, match="could not be reached"):
            hub.listing(REPOSITORY, "main")


@pytest.mark.parametrize("endpoint", ["htps://huggingface.co", "http://[hub", "huggingface", "http://a b/"])
def test_a_misspelt_endpoint_is_a_sentence(
    stand_in: Hub, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    point_at(endpoint, monkeypatch)
    with pytest.raises(ModelDownloadError):
        hub.listing(REPOSITORY, "main")
