"""Install requirements as their lock says, or make all locks anew.

``python -m locks install requirements.txt`` installs into the environment of this interpreter.
Where the locks are not for this Python or system, it says so and installs the requirements alone.
``python -m locks make`` needs uv, and keeps each version that the requirements still allow; delete
a lock to take the newest of everything.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from locks.files import (
    MACHINES,
    PYTHONS,
    REQUIREMENTS,
    SCOPE,
    header,
    included,
    is_current,
    lock_of,
)

UV = ("uv", "pip", "compile", "--quiet", "--universal", "--python-version", PYTHONS[0])
PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url", "--generate-hashes")
WHEELS = ("--only-binary", ":all:")


def here() -> tuple[str, str, str, str]:
    """The implementation and version of Python, the system and the machine."""
    version = ".".join(platform.python_version_tuple()[:2])
    return platform.python_implementation(), version, platform.system(), platform.machine()


def is_locked(implementation: str, version: str, system: str, machine: str) -> bool:
    """Whether the locks are for such a place."""
    return (implementation, system) == ("CPython", "Linux") and (
        version in PYTHONS and machine in MACHINES
    )


def install(requirements: Path) -> int:
    """Install requirements; returns pip's exit status."""
    what = ["--requirement", str(requirements)]
    if not is_locked(*here()):
        no_lock = f"The locks are for {SCOPE}, not for {' '.join(here())}"
        print(f"{no_lock}: {requirements} is installed without one.", flush=True)
    elif not is_current(requirements):
        sys.exit(f"{lock_of(requirements)} was not made from {requirements} as it is: `make lock`.")
    else:
        what = ["--require-hashes", *WHEELS, "--requirement", str(lock_of(requirements))]
    return subprocess.run([sys.executable, "-m", "pip", "install", *what], check=False).returncode


def entries(text: str) -> list[str]:
    """The packages of a lock, each with its hashes."""
    return re.findall(r"^\w.*\n(?: .*\n)*", text, re.MULTILINE)


def make(requirements: Path) -> None:
    """Make a lock: what its requirements include stays in the lock of its own."""
    lock = lock_of(requirements)
    below = included(requirements, "-r")
    new = lock.with_suffix(".new")
    new.parent.mkdir(parents=True, exist_ok=True)
    if lock.exists():
        shutil.copy(lock, new)
    fixed = [part for path in below for part in ("--constraint", str(lock_of(path)))]
    command = [*UV, *PLAIN, *WHEELS, *fixed, "--output-file", str(new), str(requirements)]
    subprocess.run([sys.executable, "-m", *command], check=True)
    there = {entry for path in below for entry in entries(lock_of(path).read_text("utf-8"))}
    own = [entry for entry in entries(new.read_text(encoding="utf-8")) if entry not in there]
    names = [f"-r {path.relative_to(requirements.parent)}\n" for path in below]
    new.write_text("".join([header(requirements), *names, *own]), encoding="utf-8")
    new.replace(lock)


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m locks", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    choices = actions.add_parser("install", help="into the environment of this interpreter")
    choices.add_argument("requirements", choices=REQUIREMENTS)
    actions.add_parser("make", help="all locks anew; needs uv")
    asked = parser.parse_args()
    if asked.action == "install":
        sys.exit(install(Path(asked.requirements)))
    for requirements in REQUIREMENTS:
        make(Path(requirements))


if __name__ == "__main__":
    main()
