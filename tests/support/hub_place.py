"""The stand-in of the Hub as this process's Hub, and somebody who is told how a pull goes."""

import pytest


class Told:
    """What a pull reported."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notices: list[str] = []
        self.positions: list[int] = []

    def stage(self, what: str, total_bytes: int) -> None:
        self.stages.append(what)

    def advance(self, done_bytes: int) -> None:
        self.positions.append(done_bytes)

    def notice(self, text: str) -> None:
        self.notices.append(text)


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has huggingface_hub, which read HF_ENDPOINT when it was imported, ask this server."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
