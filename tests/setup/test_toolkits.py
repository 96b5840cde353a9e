"""What a build for a GPU needs is looked for, and named where it is missing."""

import os
from pathlib import Path

import pytest

from stardraftd.setup.engine import toolkits

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A computer without any GPU, compiler or header."""
    monkeypatch.setattr(toolkits, "PCI_DEVICES", tmp_path / "pci")
    monkeypatch.setattr(toolkits, "_CUDA_PLACES", (tmp_path / "nvcc",))
    monkeypatch.setattr(toolkits, "_ROCM", tmp_path / "rocm")
    monkeypatch.setattr(toolkits, "_VULKAN_HEADERS", (tmp_path / "vulkan.h",))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    return {"PATH": str(tmp_path)}


def program(folder: Path, name: str, says: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


def card(folder: Path, vendor: str) -> None:
    device = folder / "pci" / vendor
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text("0x030000\n")


@pytest.mark.parametrize(
    ("backend", "what"),
    [("cuda", "nvidia-cuda-toolkit"), ("vulkan", "libvulkan-dev"), ("hip", "ROCm"), ("metal", "Apple")],
)
def test_what_is_missing_is_named_with_its_package(
    nothing: dict[str, str], backend: toolkits.Backend, what: str
) -> None:
    assert what in toolkits.toolkit(backend, nothing).missing


def test_without_a_gpu_the_cpu_is_taken(nothing: dict[str, str]) -> None:
    assert toolkits.best(nothing)[0] == "cpu"


def test_nvidias_gpu_is_taken_where_its_compiler_is_here(nothing: dict[str, str], tmp_path: Path) -> None:
    program(tmp_path, "nvidia-smi", "NVIDIA H200")
    backend, why = toolkits.best(nothing)
    assert backend == "cpu"
    assert "NVIDIA H200, which is left out: nvcc" in why
    program(tmp_path, "nvcc")
    assert toolkits.best(nothing)[0] == "cuda"
    assert toolkits.nvcc(nothing) == str(tmp_path / "nvcc")


def test_vulkan_is_only_taken_when_it_is_asked_for(nothing: dict[str, str], tmp_path: Path) -> None:
    card(tmp_path, "0x8086")
    program(tmp_path, "glslc")
    assert "Vulkan's headers cannot be found" in toolkits.toolkit("vulkan", nothing).missing
    (tmp_path / "vulkan.h").touch()
    assert toolkits.toolkit("vulkan", nothing).missing == ""
    assert toolkits.best(nothing)[0] == "cpu"


def test_amds_gpu_is_taken_where_rocm_is_installed(nothing: dict[str, str], tmp_path: Path) -> None:
    card(tmp_path, "0x1002")
    assert not toolkits.candidates(nothing)
    (tmp_path / "rocm" / "bin").mkdir(parents=True)
    program(tmp_path / "rocm" / "bin", "hipcc")
    assert toolkits.best(nothing)[0] == "hip"
