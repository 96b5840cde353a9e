"""Makes a Debian package of a wheel, with llama.cpp and all Python dependencies in it: `make deb`.

    python packaging/debian_package.py WHEEL FOLDER [--cmake-args "-D... -D..."]

The package puts one virtual environment into /opt/stardraft, on Debian's own python3; completions and manual
pages go where Debian has them. It is for the distribution and the architecture that it is made on, because
compiled Python packages belong to one version of Python: `Depends` says so, and dpkg refuses it elsewhere.

llama.cpp in it is the portable build (`make portable`): -march=native would end with an illegal instruction
on another processor. It has a variant for each kind of processor, and the one that fits is chosen when the
engine starts.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
CONSTRAINTS = PACKAGING / "constraints.txt"
BUILD = ROOT / "build" / "deb"
# stardraftd/installed.py has it, too: by this folder the program knows how it was installed.
PREFIX = Path("opt/stardraft")
PYTHON = Path("/usr/bin/python3")
SHEBANG = f"#!/{PREFIX}/bin/python3 -P"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def output_of(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_pip(*arguments: str | Path, variables: dict[str, str] | None = None) -> None:
    """pip for Debian's python3, whichever Python runs this program. Leaves with pip's words if it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    command = [sys.executable, "-m", "pip", "--python", str(PYTHON), *map(str, arguments)]
    result = subprocess.run(
        command, env=environment | (variables or {}), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        say("\n".join((result.stdout + result.stderr).splitlines()[-30:]))
        sys.exit(f"pip could not do it (exit status {result.returncode}): {' '.join(command[4:])}")


def engine_wheel(cmake_arguments: str) -> Path:
    """llama-cpp-python for every processor, built with these arguments besides; kept where it was built
    before.
    """
    sys.path.insert(0, str(PACKAGING))
    from engine_wheel import make_wheel

    os.environ["CMAKE_ARGS"] = cmake_arguments
    return make_wheel("cpu", portable=True)


def make_environment(prefix: Path, wheel: Path, engine: Path) -> Path:
    """A virtual environment as it will be in /opt, with everything installed; its site-packages."""
    version = output_of(PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    site = prefix / "lib" / f"python{version}" / "site-packages"
    site.mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3").symlink_to(f"/usr/bin/python{version}")
    (prefix / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    target = ("--target", site, "--no-compile", "--constraint", CONSTRAINTS)
    run_pip("install", *target, "--find-links", engine.parent, engine, f"{wheel}[engine]")
    shutil.rmtree(site / "bin", ignore_errors=True)  # commands of dependencies: none of a user's business
    program = prefix / "bin" / "stardraft"
    program.write_text(
        f"{SHEBANG}\nimport sys\n\nfrom stardraftd.cli import main\n\nsys.exit(main())\n", encoding="utf-8"
    )
    program.chmod(0o755)
    return site


def make_smaller(site: Path) -> None:
    """Leaves out what only the dependencies' developers use, and keeps one copy of what is there thrice."""
    for folder in [*site.glob("numpy/**/tests"), *site.glob("numpy/_core/include"), *site.glob("numpy/f2py")]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in [*site.glob("numpy/**/*.pyi"), *site.glob("numpy/**/*.a")]:
        file.unlink()
    # llama.cpp's own installation puts libraries a second time beside the bindings, headers, CMake files.
    for name in ("lib", "include", "share"):
        shutil.rmtree(site / name, ignore_errors=True)
    # A wheel cannot hold symbolic links, so libx.so, libx.so.0 and libx.so.0.1.2 are three files in it.
    kept: dict[str, Path] = {}
    for file in sorted((site / "llama_cpp" / "lib").iterdir(), key=lambda file: -len(file.name)):
        if not file.is_file():
            continue
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest in kept:
            file.unlink()
            file.symlink_to(kept[digest].name)
        kept.setdefault(digest, file)


def add_shared_files(tree: Path) -> None:
    """Completions, manual pages, the license and what changed, where Debian has them."""
    share = tree / "usr" / "share"
    for source, place in {
        "completions/stardraft.bash": "bash-completion/completions/stardraft",
        "completions/_stardraft": "zsh/vendor-completions/_stardraft",
        "completions/stardraft.fish": "fish/vendor_completions.d/stardraft.fish",
        "../LICENSE": "doc/stardraft/copyright",
    }.items():
        (share / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGING / source, share / place)
    compressed = {page: share / "man" / "man1" / page.name for page in PACKAGING.glob("man/*.1")}
    compressed[ROOT / "CHANGELOG.md"] = share / "doc" / "stardraft" / "changelog"
    for file, place in compressed.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / "stardraft").symlink_to(f"/{PREFIX}/bin/stardraft")


def libraries(tree: Path) -> str:
    """The Debian packages whose libraries the compiled parts need, as `Depends` names them."""
    scratch = BUILD / "shlibdeps"
    (scratch / "debian").mkdir(parents=True, exist_ok=True)
    (scratch / "debian" / "control").write_text(
        "Source: stardraft\n\nPackage: stardraft\nArchitecture: any\n"
    )
    objects = [str(file) for file in tree.rglob("*.so*") if file.is_file() and not file.is_symlink()]
    own = sorted({str(Path(file).parent) for file in objects})
    asked = subprocess.run(
        ["dpkg-shlibdeps", "-O", "--ignore-missing-info", *(f"-l{folder}" for folder in own), *objects],
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        sys.exit(f"dpkg-shlibdeps could not tell the libraries: {asked.stderr.strip()}")
    return asked.stdout.strip().removeprefix("shlibs:Depends=")


def write_control(tree: Path, wheel: Path, architecture: str) -> None:
    """The package's own description, its scripts, and the checksums of its files."""
    control = tree / "DEBIAN"
    control.mkdir()
    minor = int(output_of(PYTHON, "-c", "import sys; print(sys.version_info[1])"))
    files = [file for file in tree.rglob("*") if file.is_file() and control not in file.parents]
    plain = [file for file in files if not file.is_symlink()]
    fields = {
        "version": wheel.name.split("-")[1],
        "architecture": architecture,
        "size_kib": str(sum(file.stat().st_size for file in plain) // 1024),
        "depends": f"python3 (>= 3.{minor}~), python3 (<< 3.{minor + 1}), {libraries(tree)}",
        "prefix": f"/{PREFIX}",
    }
    for name in ("control", "postinst", "prerm"):
        text = Template((PACKAGING / "debian" / f"{name}.in").read_text(encoding="utf-8")).substitute(fields)
        (control / name).write_text(text, encoding="utf-8")
        (control / name).chmod(0o644 if name == "control" else 0o755)
    lines = [f"{hashlib.md5(f.read_bytes()).hexdigest()}  {f.relative_to(tree)}" for f in sorted(plain)]  # noqa: S324 - dpkg's format
    (control / "md5sums").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cmake-args", default="", help="added to those of a portable build, -DGGML_CUDA=ON")
    asked = parser.parse_args()
    for program, package in {
        "dpkg-deb": "dpkg",
        "dpkg-shlibdeps": "dpkg-dev",
        str(PYTHON): "python3",
    }.items():
        if shutil.which(program) is None:
            sys.exit(
                f"A Debian package is made on Debian or Ubuntu with {program}: sudo apt install {package}"
            )
    architecture = output_of("dpkg", "--print-architecture")
    engine = engine_wheel(asked.cmake_args)
    tree = BUILD / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    make_smaller(make_environment(tree / PREFIX, asked.wheel.absolute(), engine))
    add_shared_files(tree)
    write_control(tree, asked.wheel, architecture)
    asked.folder.mkdir(parents=True, exist_ok=True)
    package = asked.folder / f"stardraft_{asked.wheel.name.split('-')[1]}_{architecture}.deb"
    output_of("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, package)
    say(f"{package.stat().st_size / 1e6:.0f} MB")
    print(package)


if __name__ == "__main__":
    os.umask(0o022)
    main()
