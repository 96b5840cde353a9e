"""Each way in which native code dies, or does not load, has a sentence and a command of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.builds.child import Ending, MemoryKills, ending, native_environment, signal_name
from stardraftd.builds.library import architecture_of, explain_load_error, libraries, this_architecture

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
GIB = 1 << 30


def told(status: int, *stderr: str) -> Ending:
    return ending(status, stderr, 4_000_000, MemoryKills())


def test_a_childs_threads_soon_yield_while_they_wait() -> None:
    environment = native_environment({"LANG": "C"})
    assert int(environment["GOMP_SPINCOUNT"]) <= 10_000
    assert environment["LANG"] == "C"


def test_the_users_own_openmp_settings_are_kept() -> None:
    assert native_environment({"GOMP_SPINCOUNT": "77"})["GOMP_SPINCOUNT"] == "77"
    assert "GOMP_SPINCOUNT" not in native_environment({"OMP_WAIT_POLICY": "active"})


def test_an_assertion_is_the_last_line_and_no_debugger_is_started() -> None:
    assert native_environment({"OMP_WAIT_POLICY": "active"})["GGML_NO_BACKTRACE"] == "1"


def test_signals_are_named() -> None:
    assert signal_name(signal.SIGTERM) == "SIGTERM (15)"
    assert signal_name(4242) == "signal 4242"


@posix
@pytest.mark.parametrize(
    ("name", "says", "command"),
    [
        (
            "SIGILL",
            "an instruction that this processor, or its system, does not have",
            "stardraft setup engine",
        ),
        ("SIGSEGV", "touched memory that is not its own", "stardraft doctor"),
        ("SIGBUS", "cut short or replaced while it was in use", "stardraft model pull NAME --replace"),
        ("SIGFPE", "divided by zero", "stardraft doctor"),
        ("SIGABRT", "llama.cpp ended itself", "stardraft doctor"),
        ("SIGTRAP", "held to be impossible", "stardraft setup engine"),
        ("SIGSYS", "A sandbox", "stardraft daemon run"),
        ("SIGXCPU", "processor time", "stardraft daemon restart"),
        ("SIGKILL", "Somebody or something ended it", "Type the command again"),
        ("SIGTERM", "asked it to end", "Type the command again"),
    ],
)
def test_each_signal_has_its_sentence_and_its_command(name: str, says: str, command: str) -> None:
    """By a real process that ends by it."""
    number = getattr(signal, name)
    no_core = "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
    child = f"{no_core} os.kill(os.getpid(), {number})"
    died = subprocess.run([sys.executable, "-S", "-c", child], check=False, capture_output=True)
    found = told(died.returncode)
    assert f"was ended by {name} ({int(number)})" in found.sentence("The engine process")
    assert says in found.why
    assert command in found.hint
    assert "damaged, or memory may be short" not in found.why


def test_no_two_kinds_of_death_share_a_sentence() -> None:
    names = ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGKILL", "SIGTERM")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    assert len({told(-number).why for number in numbers}) == len(numbers)


def test_what_says_something_of_the_build_is_told_from_what_does_not() -> None:
    assert not told(-signal.SIGSEGV).from_outside
    assert told(-signal.SIGTERM).from_outside
    assert told(1, "Traceback", "OSError: No space left on device").from_outside


@pytest.mark.parametrize("status", [0xC000001D, 0xC000001D - (1 << 32)])
def test_windows_statuses_are_signals_too(status: int) -> None:
    if os.name != "nt" and status < 0:
        pytest.skip("negative statuses are signals here")
    assert "instruction" in told(status).why
    assert "stardraft setup engine" in told(status).hint


def test_a_library_that_windows_lacks_is_told() -> None:
    found = told(0xC0000135)
    assert "0xc0000135" in found.how
    assert "is not here" in found.why


def test_llama_cpps_own_assertion_is_quoted() -> None:
    found = told(
        -signal.SIGABRT,
        "load: something",
        "/src/ggml/src/ggml.c:3132: GGML_ASSERT(a->ne[2] == b->ne[0]) failed",
        "For the time being notable performance numbers may differ",
    )
    assert found.sentence("It").endswith(
        '"/src/ggml/src/ggml.c:3132: GGML_ASSERT(a->ne[2] == b->ne[0]) failed".'
    )


@pytest.mark.parametrize(
    ("line", "says", "command"),
    [
        (
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "Memory could not be had",
            "model plan",
        ),
        (
            "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 1",
            "Memory could",
            "model plan",
        ),
        ("CUDA error: out of memory", "GPU's memory", "model.gpu_layers"),
        ("ggml_vulkan: ErrorOutOfDeviceMemory: out of memory", "GPU's memory", "model.gpu_layers"),
    ],
)
def test_an_abort_for_want_of_memory_is_told_as_that(line: str, says: str, command: str) -> None:
    found = told(-signal.SIGABRT, line, "Aborted")
    assert says in found.why
    assert command in found.hint
    assert found.from_outside


def test_an_allocation_that_failed_long_ago_is_not_what_it_died_of() -> None:
    lines = ["failed to allocate buffer", *["decoding"] * 20, "GGML_ASSERT(x) failed"]
    found = told(-signal.SIGABRT, *lines)
    assert "llama.cpp ended itself" in found.why
    assert "GGML_ASSERT(x)" in found.said


@posix
def test_an_address_space_that_is_limited_is_named() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (64 * GIB, hard))
    try:
        found = told(-signal.SIGABRT, "what():  std::bad_alloc")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert "limited to 68.7 GB (`ulimit -v`)" in found.why


class Files:
    """A computer's /proc and /sys, as far as memory is told of there."""

    def __init__(self, root: Path, group: str = "/user.slice/app.scope") -> None:
        self.root = root
        self.write("proc/self/cgroup", f"0::{group}\n")
        self.write("proc/vmstat", "pgfault 7\noom_kill 0\n")

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def killed(kills: MemoryKills) -> Ending:
    return ending(-9, (), 4711, kills)


@posix
def test_a_kill_for_the_control_groups_memory_is_told_with_its_limit(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("sys/fs/cgroup/user.slice/app.scope/memory.events", "low 0\noom 1\noom_kill 3\n")
    files.write("sys/fs/cgroup/user.slice/app.scope/memory.max", "2000000000\n")
    kills = MemoryKills(tmp_path)
    assert "no record" in killed(kills).why
    files.write("sys/fs/cgroup/user.slice/app.scope/memory.events", "low 0\noom 2\noom_kill 4\n")
    assert "Memory ran out in the control group that it runs in (limit: 2.0 GB)" in killed(kills).why
    assert "stardraft model plan" in killed(kills).hint


@posix
def test_a_kill_in_a_group_above_and_in_the_first_version_of_groups_is_found(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("sys/fs/cgroup/user.slice/memory.events", "oom_kill 0\n")
    kills = MemoryKills(tmp_path)
    files.write("sys/fs/cgroup/user.slice/memory.events", "oom_kill 1\n")
    assert "Memory ran out in the control group" in killed(kills).why
    first = Files(tmp_path / "v1")
    first.write("proc/self/cgroup", "7:cpu:/a\n5:memory:/docker/abc\n")
    first.write("sys/fs/cgroup/memory/docker/abc/memory.oom_control", "oom_kill_disable 0\noom_kill 0\n")
    kills = MemoryKills(tmp_path / "v1")
    first.write("sys/fs/cgroup/memory/docker/abc/memory.oom_control", "oom_kill_disable 0\noom_kill 1\n")
    assert "Memory ran out in the control group" in killed(kills).why


@posix
def test_a_kill_for_the_whole_computers_memory_is_told(tmp_path: Path) -> None:
    files = Files(tmp_path)
    kills = MemoryKills(tmp_path)
    files.write("proc/vmstat", "oom_kill 1\n")
    assert killed(kills).why.startswith("Memory ran out, and the kernel ended a process for that")


@posix
def test_the_kernels_log_is_believed_where_it_can_be_read(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("dev/kmsg", "3,1,1,-;Out of memory: Killed process 4711 (python) total-vm:1kB\n")
    assert killed(MemoryKills(tmp_path)).why == "Memory ran out, and the kernel ended it."
    assert "no record" in ending(-9, (), 4712, MemoryKills(tmp_path)).why


LOADERS = [
    ("/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/libllama.so)", "glibc 2.38 or newer"),
    ("/lib/libm.so.6: version `GLIBC_2.2.5' not found (required by /x/libllama.so)", "glibc 2.2.5 or newer"),
    ("libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /x/libggml.so)", "GLIBCXX_3.4.32"),
    ("libstdc++.so.6: version `CXXABI_1.3.15' not found (required by x)", "CXXABI_1.3.15"),
    ("/x/libllama.so: undefined symbol: ggml_set_rows", "The function ggml_set_rows is missing"),
    (
        "dlopen(/x/libllama.dylib, 0x6): Symbol not found: _ggml_set_rows",
        "The function _ggml_set_rows is missing",
    ),
    ("symbol not found in flat namespace '_ggml_x'", "The function _ggml_x is missing"),
    (
        "dlsym(0x1, llama_new): symbol 'llama_new' undefined symbol: llama_new",
        "The function llama_new is missing",
    ),
    (
        "libcudart.so.12: cannot open shared object file: No such file or directory",
        "the library libcudart.so.12",
    ),
    ("dlopen: Library not loaded: @rpath/libggml.0.dylib", "the library libggml.0.dylib"),
    ("Could not find module 'C:\\x\\llama.dll' (or one of its dependencies)", "llama.dll"),
    ("/x/libllama.so: wrong ELF class: ELFCLASS32", "of another kind"),
    ("(mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))", "of another kind"),
    ("[WinError 193] %1 is not a valid Win32 application", "of another kind"),
    ("/x/libllama.so: invalid ELF header", "damaged"),
    ("/x/libllama.so: file too short", "damaged"),
    ("/x/libllama.so: failed to map segment from shared object", "noexec"),
    ("/x/libgomp.so.1: cannot allocate memory in static TLS block", "thread-local"),
    ("Shared library with base name 'llama' not found", "not all there"),
    ("something that nobody has thought of", "another computer or Python"),
]


@pytest.mark.parametrize(("text", "says"), LOADERS, ids=[text[:40] for text, _ in LOADERS])
def test_each_word_of_the_loaders_is_explained(text: str, says: str) -> None:
    found = explain_load_error(text)
    assert says in found.why
    assert "stardraft setup engine" in found.hint or "findmnt" in found.hint


def test_who_brings_a_missing_library_is_said() -> None:
    missing = "{}: cannot open shared object file: No such file or directory"
    assert "driver" in explain_load_error(missing.format("libcuda.so.1")).hint
    assert "toolkit" in explain_load_error(missing.format("libcudart.so.12")).hint
    assert "libgomp1" in explain_load_error(missing.format("libgomp.so.1")).hint


def test_a_build_that_is_named_in_the_environment_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", "/elsewhere")
    assert "LLAMA_CPP_LIB_PATH (/elsewhere)" in explain_load_error("undefined symbol: x").hint


HEADERS = {
    "arm64": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00" + bytes(44),
    "riscv64": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xf3\x00" + bytes(44),
    "x86": b"\x7fELF\x01\x01\x01" + bytes(11) + b"\x03\x00" + bytes(44),
    "x86_64": b"\xcf\xfa\xed\xfe\x07\x00\x00\x01" + bytes(24),
    "x86_64+arm64": b"\xca\xfe\xba\xbe\0\0\0\2\x01\x00\x00\x07" + bytes(16) + b"\x01\x00\x00\x0c" + bytes(16),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_librarys_architecture_is_read_from_its_header(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "libllama.so"
    file.write_bytes(HEADERS[kind])
    assert architecture_of(file) == kind


def test_a_library_for_another_kind_of_computer_is_named_with_both_kinds(tmp_path: Path) -> None:
    """Linux' loader says only that there is no such file."""
    file = tmp_path / "libllama.so"
    file.write_bytes(HEADERS["riscv64"])
    text = f"{file}: cannot open shared object file: No such file or directory"
    found = explain_load_error(text, [file])
    assert f"{file} was built for riscv64, and this Python runs on {this_architecture()}" in found.why


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"version https://git-lfs.github.com/spec/v1\n", b"MZ" + bytes(70)]
)
def test_what_is_no_library_is_told_as_that(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "libllama.so"
    file.write_bytes(content)
    assert "is not a library" in explain_load_error("whatever", [file]).why


def test_the_installed_builds_own_libraries_are_of_this_kind() -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    files = libraries()
    assert any("ggml-cpu" in file.name or "ggml" in file.name for file in files)
    assert {architecture_of(file) for file in files} == {this_architecture()}


def test_llama_cpps_errors_outlive_its_process(tmp_path: Path) -> None:
    """They are on stderr at once: the last of them is what a parent quotes."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and no more")
    code = (
        "import os, sys, pathlib\n"
        "from stardraftd.engine.worker import open_engine\n"
        "from stardraftd.errors import EngineLoadError\n"
        "open_engine()\n"
        "from stardraftd.engine.native.llama import Model\n"
        "try: Model(pathlib.Path(sys.argv[1]))\n"
        "except EngineLoadError: os.abort()\n"
    )
    died = subprocess.run(
        [sys.executable, "-P", "-c", code, str(file)], capture_output=True, text=True, check=False
    )
    found = told(died.returncode, *died.stderr.splitlines())
    assert str(file) in died.stderr
    assert "load" in found.said
