"""What of the Debian package can be looked at without building it: `make deb` builds it, in minutes."""

import os
import subprocess
from pathlib import Path
from string import Template

import pytest

from stardraftd.installed import DEBIAN_PREFIX
from tests.packaging.programs import FOLDER, load

debian = load("debian_package")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Debian's scripts")


def script(name: str, folder: Path, **fields: str) -> Path:
    text = Template((FOLDER / "debian" / f"{name}.in").read_text(encoding="utf-8")).substitute(fields)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
    return file


def test_the_program_knows_its_package_by_the_folder() -> None:
    assert f"/{debian.PREFIX}" == DEBIAN_PREFIX


@pytest.mark.skipif(not debian.PYTHON.exists(), reason="Debian's own Python")
def test_what_dpkg_is_told_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "libraries", lambda _tree: "libc6 (>= 2.34)")  # asked of dpkg-shlibdeps
    (tmp_path / "file").write_text("content")
    debian.write_control(tmp_path, Path("stardraft-1.2.3-py3-none-any.whl"), "amd64")
    control = (tmp_path / "DEBIAN" / "control").read_text()
    assert "Version: 1.2.3\nArchitecture: amd64\n" in control
    assert "libc6 (>= 2.34)" in control
    assert "$" not in control
    assert (tmp_path / "DEBIAN" / "prerm").stat().st_mode & 0o111


def test_removing_leaves_no_byte_code_behind(tmp_path: Path) -> None:
    cache = tmp_path / "lib" / "python3.11" / "site-packages" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "module.pyc").touch()
    prerm = script("prerm", tmp_path, prefix=str(tmp_path))
    assert subprocess.run([prerm, "remove"], check=False).returncode == 0
    assert not cache.exists()
    assert cache.parent.exists()


def test_libraries_that_are_there_thrice_become_one(tmp_path: Path) -> None:
    libraries = tmp_path / "llama_cpp" / "lib"
    libraries.mkdir(parents=True)
    for name in ("libx.so", "libx.so.0", "libx.so.0.1.2", "liby.so"):
        (libraries / name).write_text("y" if name == "liby.so" else "x")
    debian.make_smaller(tmp_path)
    assert {file.name for file in libraries.iterdir() if not file.is_symlink()} == {
        "libx.so.0.1.2",
        "liby.so",
    }
    assert (libraries / "libx.so").read_text() == "x"
