"""A build leaves a whole wheel or nothing, whatever happens while it is made."""

import base64
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine import building, sources
from stardraftd.setup.engine.building import CompilationError, Progress
from stardraftd.setup.engine.ladder import ladder
from tests.support.build_tools import asked, put_source, put_tools
from tests.support.home import is_alive
from tests.support.waiting import seconds, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the tools are shell scripts")

BUILD = """
import os, sys
from pathlib import Path
from stardraftd.setup.engine import building
from stardraftd.setup.engine.ladder import ladder
found = ladder(environment=os.environ)
print(building.build(found.steps[0], found, Path(sys.argv[1]), os.environ, say=lambda text: print(text,
flush=True),
                     on_progress=lambda progress: None))
"""


class Place:
    """A cache with a source in it, and an environment with tools."""

    def __init__(self, folder: Path) -> None:
        self.environment = put_tools(folder)
        self.cache = folder / "cache"
        put_source(self.cache)
        self.said: list[str] = []
        self.progress: list[Progress] = []

    def build(self, **variables: str) -> Path:
        environment = {**self.environment, **variables}
        found = ladder(environment=environment)
        return building.build(
            found.steps[0],
            found,
            self.cache,
            environment,
            say=self.said.append,
            on_progress=self.progress.append,
        )

    def start(self, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", BUILD, str(self.cache)],
            env={**os.environ, **self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    def pid_of_ninja(self) -> int:
        (file,) = self.cache.glob("work/build-*/ninja.pid")
        return int(file.read_text())

    def wheels(self) -> list[Path]:
        return list((self.cache / "wheels").glob("*/*.whl"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    monkeypatch.setenv("PATH", made.environment["PATH"])
    return made


def test_a_build_becomes_a_whole_wheel(place: Place) -> None:
    wheel = place.build()
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (record,) = [data.decode() for name, data in contents.items() if name.endswith("/RECORD")]
    for line in record.splitlines():
        name, digest, size = line.rsplit(",", 2)
        if digest:
            own = base64.urlsafe_b64encode(hashlib.sha256(contents[name]).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={own}", len(contents[name]))
    assert set(contents) == {line.rsplit(",", 2)[0] for line in record.splitlines()}
    assert {"llama_cpp/__init__.py", "llama_cpp/lib/libllama.so", "llama_cpp/lib/libggml-cpu.so"} <= set(
        contents
    )
    assert any(name.endswith("licenses/llama.cpp/LICENSE") for name in contents)
    told = json.loads(wheel.with_name("build.json").read_text())
    assert told["step"] == "native"


def test_only_the_libraries_are_built_and_progress_is_ninjas(place: Place) -> None:
    place.build()
    (configured,) = [line for line in asked(place.environment, "cmake") if " -S " in line]
    assert "-DLLAMA_BUILD_COMMON=OFF" in configured
    assert "-DLLAMA_BUILD_TOOLS=OFF" in configured
    (built,) = [line for line in asked(place.environment, "ninja") if " -C " in line]
    assert built.endswith(" llama")
    assert [(one.done, one.total) for one in place.progress] == [(1, 3), (2, 3), (3, 3)]
    assert not list(place.cache.glob("work/build-*"))


def test_what_was_built_is_not_built_again(place: Place) -> None:
    assert place.build() == place.build()
    assert len([line for line in asked(place.environment, "ninja") if " -C " in line]) == 1
    place.build(CXXFLAGS="-g")
    assert len([line for line in asked(place.environment, "ninja") if " -C " in line]) == 2


def test_what_a_compiler_refuses_is_told_by_its_first_error(place: Place) -> None:
    with pytest.raises(CompilationError) as raised:
        place.build(FAKE_NINJA="fail")
    assert "ggml.c:1: error: it cannot be" in raised.value.message
    assert str(place.cache / "build.log") in raised.value.hint
    assert not place.wheels()
    place.build()


def test_a_full_disk_is_named(place: Place) -> None:
    with pytest.raises(EngineBuildError, match="disk became full") as raised:
        place.build(FAKE_NINJA="full")
    assert not isinstance(raised.value, CompilationError), "another step of the ladder would not help"


def test_too_little_room_is_told_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "NEEDED_BYTES", 10**18)
    with pytest.raises(EngineBuildError, match="are free at"):
        place.build()
    assert not asked(place.environment, "ninja")


def test_a_folder_that_cannot_be_written_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place.cache = tmp_path / "file" / "cache"
    with pytest.raises(EngineBuildError, match=r"cannot be built in .*file") as raised:
        place.build()
    assert "STARDRAFT_CACHE_DIR" in raised.value.hint


def test_without_a_compiler_the_package_is_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(EngineBuildError, match=r"no C\+\+ compiler is here") as raised:
        place.build(PATH=str(tmp_path))
    assert "sudo apt install g++" in raised.value.hint


def test_a_build_without_its_libraries_is_no_build(place: Place, tmp_path: Path) -> None:
    (tmp_path / "libraries" / "libllama.so").unlink()
    with pytest.raises(EngineBuildError, match="without its libraries"):
        place.build()
    assert not place.wheels()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing_running_and_goes_on_later(
    place: Place, end: signal.Signals
) -> None:
    with place.start(FAKE_NINJA="wait") as process:
        wait_until(lambda: bool(list(place.cache.glob("work/build-*/ninja.pid"))))
        ninja = psutil.Process(place.pid_of_ninja())
        process.send_signal(end)
        process.communicate(timeout=seconds(30))
    if end == signal.SIGTERM:
        # It had no time to end them: they hold the lock until they have ended themselves.
        ninja.kill()
    wait_until(lambda: not is_alive(ninja))
    assert not place.wheels()
    assert list(place.cache.glob("work/build-*")), "what was built is kept"
    assert place.build() in place.wheels()
    assert not list(place.cache.glob("work/build-*"))


def test_two_at_a_time_are_one_build(place: Place) -> None:
    with place.start(FAKE_NINJA="wait") as first:
        wait_until(lambda: bool(list(place.cache.glob("work/build-*/ninja.pid"))))
        with place.start() as second:
            assert second.stdout is not None
            assert "waiting for it" in second.stdout.readline()
            first.send_signal(signal.SIGINT)
            told, _ = second.communicate(timeout=seconds(30))
    assert told.strip().endswith(".whl")
    assert place.wheels() == [Path(told.strip())]


def test_a_source_that_is_not_the_known_one_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    (cache / "sources").mkdir(parents=True)
    (cache / "sources" / sources.ARCHIVE).write_bytes(b"another one")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(EngineBuildError, match="could not be fetched") as raised:
        sources.unpacked(cache, environment, lambda _text: None)
    assert sources.ARCHIVE in raised.value.hint
    assert not (cache / "work").exists()


def test_the_source_is_of_the_version_that_everything_else_is_tested_with() -> None:
    constraints = (Path(__file__).parents[2] / "packaging" / "constraints.txt").read_text(encoding="utf-8")
    assert f"llama_cpp_python=={sources.VERSION}\n" in constraints


def test_it_can_be_used_before_anything_is_installed() -> None:
    """`make` runs it with the system's Python, which has the standard library only."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from stardraftd.setup.engine import building, climbing, keys, ladder, places, processor, toolkits"
    )
    spec = importlib.util.find_spec("stardraftd")
    assert spec is not None
    assert spec.origin is not None
    folder = str(Path(spec.origin).parents[1])
    subprocess.run([sys.executable, "-I", "-S", "-c", program, folder], check=True)
