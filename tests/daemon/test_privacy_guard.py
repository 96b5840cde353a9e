"""What the daemon refuses to show to a model, whichever front end asks, and by which paths it knows it."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from stardraftd.api.app import build_app
from stardraftd.config import Config
from stardraftd.errors import SecretError, error_from_code
from stardraftd.logs import handler as logs
from stardraftd.privacy.guard import refuse_chunks, refuse_document
from stardraftd.privacy.uris import path_in, paths_in
from stardraftd.protocol.completion import ContextChunk
from stardraftd.protocol.http import CompletionRequest
from stardraftd.serving.service import Service
from stardraftd.transport.endpoint import Endpoint

KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyz\n"

ADDRESSES = {
    "file:///home/me/shop/.env": "/home/me/shop/.env",
    "file:///home/me/a%20b/.env": "/home/me/a b/.env",
    "file:///c%3A/shop/.env": "c:/shop/.env",
    "/home/me/shop/.env": "/home/me/shop/.env",
    "C:\\shop\\.env": "C:/shop/.env",
    "untitled:/home/me/shop/.env": "/home/me/shop/.env",
    "untitled:.env": ".env",
    "vscode-notebook-cell:/home/me/secrets/a.ipynb#W0sZmlsZQ": "/home/me/secrets/a.ipynb",
    "vscode-remote://ssh-remote%2Bbox/home/me/shop/.env": "/home/me/shop/.env",
    "vscode-vfs://github/me/shop/.env": "/me/shop/.env",
    "git:/home/me/shop/.env?%7B%22path%22%3A%22%2Fhome%2Fme%2F.env%22%7D": "/home/me/shop/.env",
    "gitlens://7b22/home/me/shop/.env": "/home/me/shop/.env",
    "fugitive:///home/me/shop/.git//0/.env": "/home/me/shop/.env",
    "diffview:///home/me/shop/.git//:0:/.env": "/home/me/shop/.env",
    "jar:file:///home/me/a.jar!/conf/.env": "/home/me/a.jar!/conf/.env",
    "zipfile:///home/me/a.zip::.env": "/home/me/a.zip/.env",
    "oil-ssh://box/home/me/shop/.env": "/home/me/shop/.env",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_path_is_found_in_an_address_of_any_scheme(address: str) -> None:
    assert path_in(address) == ADDRESSES[address]
    with pytest.raises(SecretError):
        refuse_document(address, "", "")


@pytest.mark.parametrize(
    "address",
    [
        "compare:?left=%2Fhome%2Fme%2F.env&right=%2Fhome%2Fme%2Fb.py",
        'merge:/home/me/b.py?{"other":"/home/me/.env","ref":"~"}',
        "diff:/home/me/b.py?file=/home/me/.ssh/config",
    ],
)
def test_the_other_side_of_a_comparison_counts_too(address: str) -> None:
    with pytest.raises(SecretError):
        refuse_document(address, "", "")


@pytest.mark.parametrize(
    "address",
    [
        "untitled:Untitled-1",
        "diffview://[abc",
        "file://[bad",
        "",
        ":",
        "cli:-",
        "inmemory://model/1",
        "file:///a.py",
    ],
)
def test_what_names_no_secret_is_completed(address: str) -> None:
    refuse_document(address, "a.py", "x = 1\n")
    assert all(isinstance(path, str) for path in paths_in(address))


def test_a_document_with_a_private_key_is_refused_whatever_its_name() -> None:
    with pytest.raises(SecretError, match="private key"):
        refuse_document("file:///a.py", "a.py", KEY)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".env", "A=1\n"),
        ("deploy/secrets/db.txt", "x"),
        ("api_keys.py", "x = 1\n"),
        ("a.py", 'password = "pa$$w0rd"\n'),
        ("a.py", KEY),
    ],
)
def test_a_secret_piece_of_another_file_is_refused(path: str, text: str) -> None:
    with pytest.raises(SecretError):
        refuse_chunks([ContextChunk(path="b.py", text="x = 1\n"), ContextChunk(path=path, text=text)])
    refuse_chunks([ContextChunk(path="b.py", text="password = ask()\n")])


def test_the_error_says_which_file_and_survives_the_way_to_a_front_end() -> None:
    with pytest.raises(SecretError, match=r"/home/me/\.env is a file for secrets") as refused:
        refuse_document("file:///home/me/.env", "", "")
    error = refused.value
    assert type(error_from_code(error.code, error.message, error.hint)) is SecretError
    with pytest.raises(SecretError) as refused:
        refuse_document("file:///home/%1b%5b2J/.env", "", "")
    assert str(refused.value).isprintable()


# --- the daemon's own API ---------------------------------------------------------------------------------


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    service = Service(Config(), "", lambda _drain: None, cast("logs.LogHandler", SimpleNamespace(problem="")))
    app = build_app(service, Endpoint("/nowhere"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stardraft") as client:
        yield client
    assert service.scheduler.waiting == 0


@pytest.mark.parametrize("route", ["/v1/complete", "/v1/warm"])
@pytest.mark.parametrize(
    "changes",
    [
        {"document": "file:///home/me/.env"},
        {"document": "vscode-notebook-cell:/home/me/secrets/a.ipynb#W0"},
        {"path": "config/credentials.json"},
        {"prefix": KEY},
        {"suffix": KEY},
        {"chunks": [{"path": ".env", "text": "A=1"}]},
        {"chunks": [{"path": "a.py", "text": "API_TOKEN = '9fK2mQx7Lp0Zr4Tv8Wn3'"}]},
    ],
)
async def test_no_front_end_is_answered_about_secrets(
    api: httpx.AsyncClient, route: str, changes: dict[str, Any]
) -> None:
    response = await api.post(route, json={"document": "file:///a.py", "prefix": "x = ", **changes})
    assert response.status_code == 400
    assert response.json()["code"] == "secret"
    assert "count as secrets" in response.json()["hint"]


def test_a_request_is_refused_before_anything_runs() -> None:
    service = Service(Config(), "", lambda _drain: None, cast("logs.LogHandler", SimpleNamespace(problem="")))
    with pytest.raises(SecretError):
        service.complete(CompletionRequest(document=".env", prefix="A="))
    assert service.supervisor.state == "unloaded"
