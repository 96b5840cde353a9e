"""What is known beforehand to be broken is not built, and what the user asks for is kept."""

import os
from pathlib import Path

import pytest

from stardraftd.setup.engine import keys, processor
from stardraftd.setup.engine.ladder import NO_AMX, Ladder, ladder
from tests.support.build_tools import asked, put_tools

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the tools are shell scripts")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    environment = put_tools(tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    return environment


def names(found: Ladder) -> list[str]:
    return [step.name for step in found.steps]


@pytest.mark.parametrize(
    ("tiles", "steps"),
    [
        ("none", ["native", "enabled"]),
        ("forbidden", ["native", "enabled"]),
        ("work", ["native", "native-no-amx", "enabled"]),
        ("broken", ["native-no-amx", "enabled"]),
    ],
)
def test_a_build_that_is_known_to_be_broken_is_not_made(
    tools: dict[str, str], tiles: str, steps: list[str]
) -> None:
    found = ladder(environment={**tools, "FAKE_TILES": tiles})
    assert names(found) == steps
    assert ("compiles AMX's tiles wrongly" in " ".join(found.notes)) == (tiles == "broken")


def test_a_compiler_that_cannot_leave_amx_out_of_native_is_not_asked_for_it(tools: dict[str, str]) -> None:
    found = ladder(environment={**tools, "FAKE_TILES": "broken", "FAKE_FLAGS": "refused"})
    assert names(found) == ["enabled"]


def test_the_last_step_takes_what_the_system_enables_and_nothing_else(tools: dict[str, str]) -> None:
    last = ladder(environment=tools).steps[-1]
    assert {"-DGGML_NATIVE=OFF", "-DGGML_AVX2=ON", "-DGGML_FMA=OFF", "-DGGML_AVX512=OFF"} <= set(last.options)
    assert "SSE42, AVX, AVX2" in last.why


def test_probes_are_compiled_as_the_build_would_be(tools: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "bin" / "other"
    other.write_bytes((tmp_path / "bin" / "c++").read_bytes())
    other.chmod(0o755)
    found = ladder(environment={**tools, "CXX": f"{other} -pipe", "CXXFLAGS": "-mtune=generic"})
    assert found.compiler is not None
    assert found.compiler.words == (str(other), "-pipe")
    (tiles,) = [line for line in asked(tools, "other") if "tiles.cpp" in line]
    assert "-pipe -mtune=generic -O3 -march=native" in tiles
    assert not asked(tools, "c++")


def test_amx_that_the_user_has_left_out_is_not_looked_for(tools: dict[str, str]) -> None:
    flags = "-DCMAKE_CXX_FLAGS=-mno-amx-int8"
    found = ladder(environment={**tools, "FAKE_TILES": "broken", "CMAKE_ARGS": flags})
    assert names(found) == ["native", "enabled"]


def test_the_users_own_arguments_are_kept_and_win(tools: dict[str, str]) -> None:
    environment = {
        **tools,
        "FAKE_TILES": "broken",
        "CFLAGS": "-pipe",
        "CMAKE_ARGS": "-D GGML_BLAS=ON -DGGML_NATIVE=OFF \"-DCMAKE_CXX_FLAGS=-g -DNAME='a b'\"",
    }
    arguments = ladder(environment=environment).steps[0].cmake_arguments(environment)
    amx = " ".join(NO_AMX)
    assert f"-DCMAKE_C_FLAGS=-pipe {amx}" in arguments
    assert f"-DCMAKE_CXX_FLAGS=-g '-DNAME=a b' {amx}" in arguments
    assert "-DGGML_BLAS=ON" in arguments
    assert arguments.index("-DGGML_NATIVE=OFF") > arguments.index("-DGGML_NATIVE=ON")  # the later one counts
    assert sum("CMAKE_CXX_FLAGS" in one for one in arguments) == 1


def test_without_flags_of_ours_the_environments_stay_as_they_are(tools: dict[str, str]) -> None:
    """CMake takes CFLAGS by itself, as long as CMAKE_C_FLAGS is not given."""
    environment = {**tools, "CFLAGS": "-pipe"}
    assert not [
        one for one in ladder(environment=environment).steps[0].cmake_arguments(environment) if "FLAGS" in one
    ]


@pytest.mark.parametrize(
    ("gcc", "steps"),
    [
        ("12 2 0", ["portable-no-amx"]),
        ("13 2 0", ["portable-no-amx"]),
        ("13 2 1", ["portable", "portable-no-amx"]),
    ],
)
def test_a_portable_build_has_amx_where_the_compiler_can(
    tools: dict[str, str], gcc: str, steps: list[str]
) -> None:
    found = ladder(portable=True, environment={**tools, "FAKE_GCC": gcc})
    assert names(found) == steps
    assert all(step.portable and "-DGGML_BACKEND_DL=ON" in step.options for step in found.steps)


def test_a_gpu_is_asked_for_at_every_step(tools: dict[str, str]) -> None:
    assert all("-DGGML_CUDA=ON" in step.options for step in ladder("cuda", environment=tools).steps)


def test_no_compiler_is_no_reason_to_fail_here(tmp_path: Path) -> None:
    assert ladder(environment={"PATH": str(tmp_path)}).compiler is None


def key(environment: dict[str, str], *, portable: bool = False) -> str:
    found = ladder(portable=portable, environment=environment)
    return keys.key(keys.ingredients(found.steps[0], found, environment))


def test_a_build_of_other_ingredients_is_another_build(
    tools: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = {key(tools), key({**tools, "FAKE_NINJA": "fail"}), key({**tools, "LANG": "C"})}
    assert len(same) == 1
    found = [
        *same,
        key({**tools, "CXXFLAGS": "-g"}),
        key({**tools, "CMAKE_ARGS": "-DGGML_BLAS=ON"}),
        key({**tools, "FAKE_TILES": "broken"}),
        key({**tools, "LIBRARY_PATH": "/lib2"}),
        key(tools, portable=True),
    ]
    assert len(set(found)) == len(found)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : sse2 one_of_2099\n")
    monkeypatch.setattr(processor.flags, "__defaults__", (cpuinfo,))
    assert key(tools) not in found
    assert key(tools, portable=True) == found[-1], "a portable build is for every processor"


def test_a_build_has_no_source_date_epoch(tools: dict[str, str]) -> None:
    assert "SOURCE_DATE_EPOCH" not in keys.build_environment({**tools, "SOURCE_DATE_EPOCH": "0"})
