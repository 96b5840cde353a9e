"""What the doctor concludes from what it finds."""

import json
import os
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from stardraftd.cli import checks
from stardraftd.cli.checks import Check, Facts, editors, gpus, installation, model, old_settings, places
from stardraftd.cli.checks.facts import Device, Probe, read_probe
from stardraftd.config.schema import EchoMode
from stardraftd.errors import ConfigError, EngineError, EngineMissingError, ModelFormatError
from stardraftd.proof.verdict import Verdict
from stardraftd.setup.engine import toolkits
from tests.support.quick_start import commands_of

ZEN4 = "processor : 0\nflags\t\t: fpu sse2 avx avx2 fma f16c bmi2 avx512f avx512_vnni\n"
NATIVE = (
    "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | F16C = 1 | FMA = 1 | BMI2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 |"
)
CPU = Device("CPU", "AMD EPYC", "cpu", 1_000_000_000, 2_000_000_000)
GOOD = Verdict(ok=True, build="b", processor="p")
BROKEN = Verdict(
    ok=False, build="b", processor="p", failure="It died of SIGILL.", hint="stardraft setup engine"
)


def facts(**known: object) -> Facts:
    """Facts of which some are known beforehand; the others are looked up as ever."""
    found = Facts()
    found.__dict__.update(known)
    return found


def built(system_info: str, *devices: Device) -> Facts:
    probe = Probe("0.3.36", system_info, gpu_offload=False, devices=devices)
    return facts(probe=probe, verdict=GOOD)


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{text}'\n")
    file.chmod(0o755)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with no editors, no configuration and a private runtime folder."""
    (tmp_path / "bin").mkdir()
    for variable, value in {
        "HOME": tmp_path,
        "USERPROFILE": tmp_path,
        "PATH": tmp_path / "bin",
        "XDG_CONFIG_HOME": tmp_path / ".config",
        "STARDRAFT_CONFIG": tmp_path / "config.toml",
        "STARDRAFT_STATE_DIR": tmp_path / "state",
        "STARDRAFT_RUNTIME_DIR": tmp_path / "run",
    }.items():
        monkeypatch.setenv(variable, str(value))
    for variable in ("NVIM_APPNAME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_a_check_that_fails_does_not_stop_the_others() -> None:
    def sound(_facts: Facts) -> Check:
        return Check("sound", "ok", "fine")

    def raising(_facts: Facts) -> Check:
        raise ModelFormatError("It is broken.", "Mend it.")

    def mistaken(_facts: Facts) -> Check:
        raise ZeroDivisionError("by zero")

    found = list(checks.run(Facts(), [raising, mistaken, sound]))
    assert found[0] == Check("raising", "problem", "It is broken.", "Mend it.")
    assert found[1].state == "problem"
    assert "ZeroDivisionError" in found[1].message
    assert found[2] == Check("sound", "ok", "fine")


def test_one_fault_is_one_problem_in_whosever_words_it_is_told() -> None:
    sentence = "~/config.toml, line 2: editor.echo is wrong."

    def configuration(_facts: Facts) -> Check:
        raise ConfigError(sentence, "Correct it.")

    def daemon(_facts: Facts) -> list[Check]:
        told = f"{sentence} The settings from before stay in force."
        return [
            Check("daemon", "ok", "runs"),
            Check("daemon", "problem", told),
            Check("daemon", "problem", "B."),
        ]

    def model(_facts: Facts) -> Check:
        raise ConfigError(sentence, "Correct it.")

    for order in ([configuration, daemon, model], [daemon, model, configuration]):
        states = [check.state for check in checks.run(Facts(), order)]
        assert sorted(states) == ["ok", "problem", "problem", "skipped", "skipped"]


@pytest.fixture
def no_engine(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place without llama.cpp: the first package of its name has no library in it."""
    (own_home / "llama_cpp").mkdir()
    (own_home / "llama_cpp" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(own_home))
    monkeypatch.setenv("STARDRAFT_ENGINES_DIR", str(own_home / "engines"))
    monkeypatch.delenv("LLAMA_CPP_LIB_PATH", raising=False)


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(("echo", "state"), [("auto", "warning"), ("only", "ok"), ("off", "problem")])
def test_without_an_engine_it_is_said_what_works_and_what_is_to_be_gained(
    echo: EchoMode, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_EDITOR_ECHO", echo)
    (found,) = checks.run(Facts(), [installation.engine])
    assert found.state == state
    assert "own code" in found.message + found.hint
    assert ("stardraft setup engine" in found.hint) == (echo != "only")
    assert list(checks.run(Facts(), [installation.backends, gpus.devices])) == []


@pytest.mark.usefixtures("no_engine")
def test_a_build_that_was_there_and_is_gone_is_a_problem(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_ENGINE_BUILD", str(own_home / "engines" / "builds" / "gone"))
    assert installation.engine(Facts()).state == "problem"


def test_an_engine_of_another_version_is_told_of() -> None:
    assert "setup engine" not in installation.engine(built(NATIVE, CPU)).hint
    other = facts(probe=Probe("0.3.20", NATIVE, gpu_offload=False, devices=(CPU,)))
    found = installation.engine(other)
    assert found.state == "ok"
    assert found.hint.endswith(": stardraft setup engine")


def test_a_build_that_uses_the_processor_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_cpuinfo", lambda: ZEN4)
    found = installation.backends(built(NATIVE, CPU))
    assert (found.state, found.hint) == ("ok", "")


def test_a_build_without_simd_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_cpuinfo", lambda: ZEN4)
    found = installation.backends(built("CPU : SSE3 = 1 | AVX = 0 | LLAMAFILE = 1 |", CPU))
    assert found.state == "warning"
    assert "without AVX, AVX2, F16C, FMA" in found.message
    assert "SOURCE_DATE_EPOCH" in found.hint


def test_a_small_missing_instruction_set_is_only_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_cpuinfo", lambda: ZEN4)
    found = installation.backends(built(NATIVE.replace("AVX512_VNNI = 1", "AVX512_VNNI = 0"), CPU))
    assert found.state == "ok"
    assert "AVX512_VNNI" in found.hint


def test_an_arm_processor_is_read_too() -> None:
    assert installation.processor_features("Features\t: fp asimd asimddp i8mm\n") == [
        "NEON",
        "DOTPROD",
        "MATMUL_INT8",
    ]


@pytest.fixture
def no_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of Linux's list of PCI devices, empty yet."""
    monkeypatch.setattr(toolkits, "PCI_DEVICES", tmp_path / "pci")
    return tmp_path / "pci"


def card(devices: Path, vendor: str, kind: str = "0x030000") -> None:
    folder = devices / vendor
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{kind}\n")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_gpu_that_the_build_cannot_use_is_warned_of_with_the_command(
    own_home: Path, no_cards: Path
) -> None:
    assert gpus.devices(built(NATIVE, CPU)).state == "ok"
    program(own_home / "bin", "nvidia-smi", "NVIDIA H200")
    found = gpus.devices(built(NATIVE, CPU))
    assert found.state == "warning"
    assert "This computer has NVIDIA H200, but llama.cpp was built without CUDA" in found.message
    if not any(place.is_file() for place in toolkits._CUDA_PLACES):
        assert "nvcc" in found.hint.splitlines()[0]
    assert "stardraft setup engine --backend cuda" in found.hint
    program(own_home / "bin", "nvcc", "release 12.9")
    assert "nvcc" not in gpus.devices(built(NATIVE, CPU)).hint
    gpu = Device("CUDA0", "NVIDIA H200", "gpu", 140_000_000_000, 150_000_000_000)
    assert gpus.devices(built(NATIVE, CPU, gpu)).state == "ok"


def test_a_build_for_a_gpu_that_sees_none_is_warned_of(own_home: Path, no_cards: Path) -> None:
    found = gpus.devices(built(f"CUDA : ARCHS = 900 | USE_GRAPHS = 1 | {NATIVE}", CPU))
    assert found.state == "warning"
    assert "built for CUDA, but sees no GPU" in found.message


@pytest.mark.parametrize(
    ("system_info", "device", "kinds"),
    [
        (NATIVE, "CPU", []),
        (f"CUDA : ARCHS = 900 | USE_GRAPHS = 1 | {NATIVE}", "CUDA0", ["CUDA"]),
        (f"Metal : EMBED_LIBRARY = 1 | {NATIVE}", "Metal", ["Metal"]),
        (f"MTL : EMBED_LIBRARY = 1 | {NATIVE}", "MTL0", ["Metal"]),
        (NATIVE, "Vulkan0", ["Vulkan"]),
    ],
)
def test_the_kind_of_the_build_is_told(system_info: str, device: str, kinds: list[str]) -> None:
    other = Device(device, "a device", "gpu" if kinds else "cpu", 0, 0)
    found = built(system_info, other)
    assert gpus.built_for(found.probe) == kinds
    assert installation.engine(found).message.endswith(" and ".join([*kinds, "the CPU"]))


def test_a_card_without_its_driver_is_seen(own_home: Path, no_cards: Path) -> None:
    card(no_cards, "0x10de", kind="0x030200")
    found = gpus.devices(built(NATIVE, CPU))
    assert found.state == "warning"
    assert "an NVIDIA GPU, but not its driver" in found.message


def test_another_makers_card_is_a_hint_and_no_warning(own_home: Path, no_cards: Path) -> None:
    card(no_cards, "0x8086", kind="0x020000")  # a network card
    assert gpus.devices(built(NATIVE, CPU)).hint == ""
    card(no_cards, "0x1002")
    found = gpus.devices(built(NATIVE, CPU))
    assert found.state == "ok"
    assert "stardraft setup engine --backend vulkan" in found.hint


def test_an_engine_that_is_missing_is_said_once(own_home: Path) -> None:
    class WithoutEngine(Facts):
        @property
        def verdict(self) -> Verdict:  # type: ignore[override]
            raise EngineMissingError("It is missing.", "Type: get it")

    missing = WithoutEngine()
    found = list(
        checks.run(missing, [installation.engine, installation.backends, gpus.devices]),
    )
    assert [check.state for check in found] == ["problem"]
    # own_home has no compiler on its PATH.
    assert found[0].hint.endswith("\nType: get it") == (os.name != "nt")


def test_a_probe_that_tells_an_error_is_that_error() -> None:
    told = json.dumps({"error": "engine_missing", "message": "It is missing.", "hint": "Get it."}).encode()
    with pytest.raises(EngineMissingError, match="It is missing") as raised:
        read_probe(told, b"", 0)
    assert raised.value.hint == "Get it."


def test_a_probe_that_dies_is_told_with_its_last_words() -> None:
    with pytest.raises(EngineError, match=r'status 9. .*It last said: "fatal error: no driver"') as raised:
        read_probe(b"", b"loading\nfatal error: no driver\n", 9)
    assert raised.value.hint


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_probe_that_is_killed_is_told_with_its_signal_and_the_command() -> None:
    with pytest.raises(EngineError, match=r"SIGILL \(4\)") as raised:
        read_probe(b"", b"", -4)
    assert "stardraft setup engine" in raised.value.hint


def test_an_engine_whose_self_test_failed_is_a_problem_whatever_it_says_of_itself(own_home: Path) -> None:
    broken = built(NATIVE, CPU)
    broken.__dict__["verdict"] = BROKEN
    found = list(checks.run(broken, [installation.engine, installation.backends, gpus.devices]))
    assert found == [Check("engine", "problem", "It died of SIGILL.", "stardraft setup engine")]


def test_a_self_test_without_a_verdict_is_a_warning(own_home: Path) -> None:
    unknown = built(NATIVE, CPU)
    unknown.__dict__["verdict"] = msgspec.structs.replace(BROKEN, undecided=True)
    assert installation.engine(unknown).state == "warning"
    assert installation.backends(unknown).state != "problem"


def test_a_wrong_configuration_is_a_problem_with_its_line(own_home: Path) -> None:
    (own_home / "config.toml").write_text("[model]\ngpu_layers = 'many'\n")
    (found,) = checks.run(Facts(), [places.configuration])
    assert found.state == "problem"
    assert "line 2" in found.message


def test_each_old_name_is_a_warning_with_what_to_do_wherever_it_stands(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (own_home / "config.toml").write_text("[editor]\nlanguages_off = ['go']\n")
    monkeypatch.setenv("STARDRAFT_COMPLETION_SEED", "5")
    project = own_home / "project" / "src"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    (project.parent / ".stardraft.toml").write_text("[language.go]\nbefore_text = true\nmode = 'line'\n")
    user, workspace = own_home / ".config/Code/User", project.parent / ".vscode"
    for folder in (user, workspace):
        folder.mkdir(parents=True)
    (user / "settings.json").write_text('{\n  // mine\n  "[go]": {"stardraft.maxPrefixBytes": 5},\n}')
    (workspace / "settings.json").write_text('{"stardraft.languagesOff": [], "stardraft.mode": "line"}')
    found = list(checks.run(Facts(), [old_settings.old_settings]))
    assert {check.state for check in found} == {"warning"}
    said = [check.message for check in found]
    assert len(said) == 5
    assert "line 2: editor.languages_off is called editor.disabled_languages now. Rename it" in said[0]
    assert "STARDRAFT_COMPLETION_SEED is not a setting any more" in said[1]
    assert ".stardraft.toml, [language.go], before_text is called mid_line now" in said[2]
    assert "stardraft.maxPrefixBytes is not a setting any more" in said[3]
    assert said[3].endswith("Remove it.")
    assert "stardraft.languagesOff is called stardraft.disabledLanguages now" in said[4]


def test_files_that_cannot_be_read_have_no_old_names(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_home)
    (own_home / "config.toml").write_text("[editor\n")
    (own_home / ".stardraft.toml").write_bytes(b"\xff[")
    (own_home / ".vscode").mkdir()
    (own_home / ".vscode" / "settings.json").write_text("{")
    assert old_settings.old_settings(Facts()) == []


def test_no_configuration_is_fine(own_home: Path) -> None:
    assert "defaults hold" in places.configuration(Facts()).message


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_runtime_folder_that_is_open_to_others_is_a_problem(own_home: Path) -> None:
    (own_home / "run").mkdir(mode=0o755)
    (own_home / "run").chmod(0o755)
    (found,) = checks.run(Facts(), [places.runtime_folder])
    assert found.state == "problem"
    assert "chmod 700" in found.hint


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_a_stale_socket_is_told(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from stardraftd.paths import socket_path

    for name, value in home.items():
        if name.startswith("STARDRAFT_"):
            monkeypatch.setenv(name, value)
    assert places.socket(Facts()).message == "none: no daemon is running"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(socket_path()))
    found = places.socket(Facts())
    assert found.state == "warning"
    assert "stale" in found.message


def test_a_file_that_is_no_model_is_a_problem(own_home: Path) -> None:
    (own_home / "m.gguf").write_text("<!DOCTYPE html>")
    (found,) = checks.run(facts(model_path=own_home / "m.gguf"), [model.model])
    assert found.state == "problem"
    assert "m.gguf" in found.message
    assert "The setting model.path names this file" in found.hint


def test_the_built_in_model_is_a_toy_and_says_how_to_get_the_real_one(own_home: Path) -> None:
    found = model.model(Facts())
    assert found.state == "ok"
    assert "stardraft-tiny (starcoder2, Q8_0, 4 layers" in found.message
    assert "stardraft model pull starcoder2-3b" in found.hint


def test_a_model_larger_than_memory_is_warned_of(own_home: Path) -> None:
    file = own_home / "m.gguf"
    with file.open("wb") as stream:
        stream.truncate(1 << 42)  # a hole: it takes no room on the disk
    found = model.memory(facts(model_path=file, status=None))
    assert found.state == "warning"
    assert "needs about 4,3" in found.message


@pytest.mark.parametrize(
    ("line", "numbers"),
    [("NVIM v0.12.4", (0, 12, 4)), ("GNU Emacs 30.1", (30, 1)), ("helix 25.07 (a1b2)", (25, 7)), ("?", ())],
)
def test_versions_are_read(line: str, numbers: tuple[int, ...]) -> None:
    assert editors.version_numbers(line) == numbers


def test_no_editor_is_nothing_to_say(own_home: Path) -> None:
    assert [editors.neovim(Facts()), editors.vscode(Facts()), editors.others(Facts())] == [[], [], []]


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for editors are shell scripts")
def test_neovim_is_told_how_to_be_set_up_until_it_is(own_home: Path) -> None:
    program(own_home / "bin", "nvim", "NVIM v0.12.4")
    (found,) = editors.neovim(Facts())
    assert "not set up" in found.message
    assert found.hint == "Type: stardraft setup nvim"
    configuration = own_home / ".config" / "nvim" / "lua"
    configuration.mkdir(parents=True)
    (configuration / "completion.lua").write_text("vim.lsp.enable('stardraft')")
    (found,) = editors.neovim(Facts())
    assert "mentions stardraft" in found.message


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for editors are shell scripts")
@pytest.mark.parametrize("version", ["0.10.4", "0.12.4"])
def test_neovim_s_plugin_is_found_where_packages_are(own_home: Path, version: str) -> None:
    program(own_home / "bin", "nvim", f"NVIM v{version}")
    package = own_home / ".local" / "share" / "nvim" / "site" / "pack" / "stardraft" / "start" / "stardraft"
    package.mkdir(parents=True)
    (found,) = editors.neovim(Facts())
    assert found.message.endswith(f"the plugin is in {package}")
    assert not found.hint


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for editors are shell scripts")
@pytest.mark.parametrize(
    ("version", "lacks"), [("0.11.0", "no inline completion of its own"), ("0.9.5", "too old")]
)
def test_an_older_neovim_is_told_what_it_lacks(own_home: Path, version: str, lacks: str) -> None:
    program(own_home / "bin", "nvim", f"NVIM v{version}")
    (found,) = editors.neovim(Facts())
    assert lacks in found.message
    assert "plugin" in found.hint


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for editors are shell scripts")
def test_vscode_is_asked_for_its_extension(own_home: Path) -> None:
    program(own_home / "bin", "code", "1.101.0")
    (found,) = editors.vscode(Facts())
    assert "no stardraft extension" in found.message
    for documented in commands_of("docs/editors/vscode.md", "## Set up"):
        assert documented in found.hint
    (own_home / ".vscode" / "extensions" / "stardraft.stardraft-0.1.0").mkdir(parents=True)
    (found,) = editors.vscode(Facts())
    assert "stardraft.stardraft-0.1.0 is installed" in found.message


def test_another_editor_that_does_not_start_is_listed_all_the_same(own_home: Path) -> None:
    if os.name == "nt":
        pytest.skip("the stand-ins for editors are shell scripts")
    broken = own_home / "bin" / "hx"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    (found,) = editors.others(Facts())
    assert found.message.startswith("hx: ")
