"""Runs in the build of an image and nowhere else, by the system's Python.

install.py TARGET              every package of TARGET.lock, from the wheels in /wheels
install.py WHEEL.whl SHA256    colisten itself, last

What no process of ours opens is removed, and what is left is compiled: a service whose root is
read-only would compile it at every start.
"""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import venv
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from importlib.util import cache_from_source
from pathlib import Path
from shutil import rmtree

HOME = Path("/opt/colisten")
WHEELS = Path("/wheels")
SITE = HOME / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def install(*what: str) -> None:
    """Have pip install, which runs from its own wheel and is never installed itself."""
    (pip,) = WHEELS.glob("pip-*.whl")
    command = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index"]
    command += ["--no-deps", "--no-compile", "--no-cache-dir", "--find-links", WHEELS]
    environment = {**os.environ, "PYTHONPATH": str(pip)}
    subprocess.run([*command, *what], env=environment, check=True)


def leave_out(patterns: list[str]) -> None:
    """Remove what is not opened at run time, by patterns below site-packages; `!` keeps."""
    kept = {place for one in patterns if one.startswith("!") for place in SITE.glob(one[1:])}
    for pattern in (one for one in patterns if not one.startswith("!")):
        for place in sorted(SITE.glob(pattern)):
            if kept & {place, *place.parents}:
                continue
            if place.is_dir() and not place.is_symlink():
                rmtree(place)
            else:
                place.unlink(missing_ok=True)


def compile_new() -> None:
    """Compile what is not compiled; nobody compares it later, for files of an image stay as is."""
    waiting = [
        str(file) for file in SITE.rglob("*.py") if not Path(cache_from_source(str(file))).exists()
    ]
    with ProcessPoolExecutor() as pool:
        done = sum(pool.map(compiled, waiting, chunksize=64))
    # Templates and tests of other Pythons do not compile, and are never imported.
    if done < 0.99 * len(waiting):
        sys.exit(f"Only {done} of {len(waiting)} files compile.")


def compiled(file: str) -> bool:
    """Compile one file; whether it could be."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(file, doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, ValueError):
        return False
    return True


def main(what: str, digest: str = "") -> None:
    """Install a target's packages, or the wheel of colisten."""
    if not HOME.joinpath("bin", "python").exists():
        venv.create(HOME, with_pip=False, symlinks=True)
    if what.endswith(".whl"):
        # The digest stands in the command so that a layer of another wheel is never taken for this.
        if sha256((WHEELS / what).read_bytes()).hexdigest() != digest:
            sys.exit(f"{what} is not the one that was built.")
        install(str(WHEELS / what))
        compile_new()
        for mine in (Path(__file__), *HOME.glob("*leave_out.txt")):
            mine.unlink()
        return
    # Wheels were compared with their digests as they were fetched; one version of each is there.
    lines = (HOME / f"{what}.lock").read_text().splitlines()
    install(*(line.partition(" ")[0] for line in lines if not line.startswith("#")))
    for mine in (HOME / "leave_out.txt", HOME / f"{what}.leave_out.txt"):
        lines = mine.read_text().splitlines() if mine.exists() else []
        leave_out([line for line in lines if line and not line.startswith("#")])
    compile_new()


if __name__ == "__main__":
    main(*sys.argv[1:])
