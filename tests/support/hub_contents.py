"""What a healthy Hub has and answers: repositories, their revisions and files, and who may read them.

The shapes of the answers are those that `huggingface_hub` reads. Not here: the wire (`hub_http.py`) and all
that goes wrong (`hub_faults.py`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.support.hub_faults import Content
from tests.support.hub_http import Answer, Form, Request

LFS_SUFFIXES = (".gguf", ".safetensors", ".bin", ".pt")
MAIN = "main"
API_PATH = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(/.*)?)?")
FILE_PATH = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class HubFile:
    """A file in a repository: its bytes, and the names that git and LFS give them."""

    def __init__(self, name: str, source: bytes | Path) -> None:
        self.name = name
        self.body = Content(source)
        self.is_lfs = isinstance(source, Path) or name.endswith(LFS_SUFFIXES)
        self.sha256 = self._digest("sha256")
        size = self.body.size
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {size}\n".encode()
        )
        self.pointer_size = len(pointer)
        # What git keeps of a large file is the pointer to it.
        self.git_oid = (
            hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
            if self.is_lfs
            else self._digest("sha1", b"blob %d\0" % size)
        )

    def _digest(self, algorithm: str, before: bytes = b"") -> str:
        digest = hashlib.new(algorithm, before)
        for offset in range(0, self.body.size, 1 << 20):
            digest.update(self.body.read(offset, 1 << 20))
        return digest.hexdigest()


@dataclass
class Repository:
    """A model's repository: its revisions, and who may read it."""

    name: str
    license: str
    gated: bool
    token: str | None
    base_model: str | None
    revisions: dict[str, dict[str, HubFile]] = field(default_factory=dict)
    """Files by commit (40 hexadecimal digits), then by name."""
    branches: dict[str, str] = field(default_factory=dict)

    @property
    def private(self) -> bool:
        return self.token is not None and not self.gated

    def commit(self, revision: str) -> str | None:
        """The commit that a branch's name, a commit or a commit's first digits mean."""
        if revision in self.branches:
            return self.branches[revision]
        if not re.fullmatch("[0-9a-f]{7,40}", revision):
            return None
        return next((commit for commit in self.revisions if commit.startswith(revision)), None)


class Contents:
    """All repositories, and the answers to healthy requests."""

    def __init__(self, cdn_url: str) -> None:
        self.cdn_url = cdn_url
        self.repositories: dict[str, Repository] = {}
        self.tokens: set[str] = set()

    def answer(self, request: Request, query: Form, form: Form) -> Answer:
        """The answer to one request; `query` and `form` are its parameters, in the URL and in the body."""
        if request.server == "cdn":
            return self._cdn_answer(request)
        if request.path == "/api/agent-harnesses":
            return as_json({"standardEnvVars": [], "harnesses": {}})
        if request.token is not None and request.token not in self.tokens:
            return refuse(401, "", "Invalid credentials in Authorization header")
        if found := API_PATH.fullmatch(request.path):
            return self._api_answer(request, *found.groups(), query=query, form=form)
        if found := FILE_PATH.fullmatch(request.path):
            return self._file_answer(request, *found.groups())
        return refuse(404, "", "Sorry, we can't find the page you are looking for.")

    def _repository(self, name: str, token: str | None) -> Repository | Answer:
        repository = self.repositories.get(name)
        if repository is not None and (not repository.private or repository.token == token):
            return repository
        # The Hub does not tell strangers whether a repository exists.
        if token is None:
            return refuse(401, "RepoNotFound", "Invalid username or password.")
        return refuse(404, "RepoNotFound", "Repository not found")

    def _api_answer(
        self,
        request: Request,
        name: str,
        what: str | None,
        revision: str | None,
        folder: str | None,
        *,
        query: Form,
        form: Form,
    ) -> Answer:
        repository = self._repository(name, request.token)
        if isinstance(repository, Answer):
            return repository
        commit = repository.commit(unquote(revision or MAIN))
        if commit is None:
            return refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = repository.revisions[commit]
        if what == "tree":
            return as_json(tree(files, unquote(folder or "").strip("/"), query.get("recursive") == ["true"]))
        if what == "paths-info":
            asked = form.get("paths", [])
            folders = [entry for entry in tree(files, "", recursive=True) if entry["type"] == "directory"]
            entries = [file_entry(file) for file in files.values()] + folders
            return as_json([entry for entry in entries if entry["path"] in asked])
        return as_json(model_info(repository, commit, with_sizes=query.get("blobs") == ["true"]))

    def _file_answer(self, request: Request, name: str, revision: str, path: str) -> Answer:
        repository = self._repository(name, request.token)
        if isinstance(repository, Answer):
            return repository
        if repository.gated and (repository.token is None or request.token != repository.token):
            restricted = f"Access to model {name} is restricted"
            if request.token is None:
                more = "You must have access to it and be authenticated to access it. Please log in."
                return refuse(401, "GatedRepo", f"{restricted}. {more}")
            more = f"Visit /{name} to ask for access."
            return refuse(403, "GatedRepo", f"{restricted} and you are not in the authorized list. {more}")
        commit = repository.commit(unquote(revision))
        if commit is None:
            return refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        headers = {"X-Repo-Commit": commit}
        file = repository.revisions[commit].get(path)
        if file is None:
            return refuse(404, "EntryNotFound", "Entry not found", headers)
        headers["Accept-Ranges"] = "bytes"
        if not file.is_lfs:
            return Answer(200, headers | {"ETag": f'"{file.git_oid}"'}, file.body, is_file=True)
        location = f"{self.cdn_url}/{name}/{file.sha256}/{quote(path)}?Signature=stand-in"
        linked = {"X-Linked-Size": str(file.body.size), "X-Linked-Etag": f'"{file.sha256}"'}
        return Answer(302, headers | linked | {"Location": location})

    def _cdn_answer(self, request: Request) -> Answer:
        owner, name, sha256, path = request.path.lstrip("/").split("/", 3)
        for files in self.repositories[f"{owner}/{name}"].revisions.values():
            if path in files and files[path].sha256 == sha256:
                # A CDN has ETags of its own, which say nothing of the sha256.
                headers = {"ETag": f'"{sha256[::-1][:32]}"', "Accept-Ranges": "bytes"}
                return Answer(200, headers, files[path].body, is_file=True)
        return refuse(404, "", "no such object")


def refuse(
    status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    """An error in the Hub's manner: told in headers, since a HEAD has no body, and in JSON."""
    answer = as_json({"error": message or HTTPStatus(status).phrase})
    answer.status = status
    told = {"X-Error-Code": code, "X-Error-Message": message}
    answer.headers |= {name: value for name, value in told.items() if value} | dict(headers or {})
    return answer


def as_json(value: object) -> Answer:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(200, headers, Content(json.dumps(value).encode()))


def told_otherwise(answer: Answer, change: Callable[[Any], Any], headers: Mapping[str, str]) -> Answer:
    """An answer in JSON with its content changed; what `change` returns as bytes is sent as it is."""
    if answer.is_file or answer.headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return Answer(answer.status, answer.headers | headers, answer.body, answer.is_file)
    made = change(json.loads(answer.body.read(0, answer.body.size)))
    body = made if isinstance(made, bytes) else json.dumps(made).encode()
    return Answer(answer.status, answer.headers | headers, Content(body))


def file_entry(file: HubFile) -> dict[str, Any]:
    """A file as listings show it."""
    entry: dict[str, Any] = {"type": "file", "path": file.name, "oid": file.git_oid, "size": file.body.size}
    if file.is_lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.body.size, "pointerSize": file.pointer_size}
    return entry


def tree(files: Mapping[str, HubFile], folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The listing of a folder ("" is the repository's own): its folders, then its files."""
    start = f"{folder}/" if folder else ""
    inside = {name: file for name, file in files.items() if name.startswith(start)}
    folders = {
        f"{start}{'/'.join(parts[:depth])}"
        for parts in (name.removeprefix(start).split("/") for name in inside)
        for depth in range(1, len(parts))
    }
    shown: list[dict[str, Any]] = [
        {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
        for path in sorted(folders)
        if recursive or "/" not in path.removeprefix(start)
    ]
    for name, file in inside.items():
        if recursive or "/" not in name.removeprefix(start):
            shown.append(file_entry(file))
    return shown


def model_info(repository: Repository, commit: str, with_sizes: bool) -> dict[str, Any]:
    """What `HfApi.model_info` reads; sizes and sha256 only where `files_metadata=True` asked for them."""
    siblings: list[dict[str, Any]] = []
    for file in repository.revisions[commit].values():
        sibling: dict[str, Any] = {"rfilename": file.name}
        if with_sizes:
            sibling |= {"size": file.body.size, "blobId": file.git_oid}
            if file.is_lfs:
                lfs = {"sha256": file.sha256, "size": file.body.size, "pointerSize": file.pointer_size}
                sibling["lfs"] = lfs
        siblings.append(sibling)
    card: dict[str, Any] = {"license": repository.license}
    if repository.base_model is not None:
        card["base_model"] = repository.base_model
    return {
        "_id": "stand-in",
        "id": repository.name,
        "modelId": repository.name,
        "author": repository.name.partition("/")[0],
        "sha": commit,
        "lastModified": "2024-03-04T13:55:12.000Z",
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": False,
        "tags": [f"license:{repository.license}"],
        "cardData": card,
        "siblings": siblings,
    }
