"""The locks agree with the requirements that they were made from, and with one another."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import locks.__main__ as program
from locks.__main__ import install, is_locked
from locks.files import FOLDER, PYTHONS, REQUIREMENTS, header, included, is_current, lines, lock_of

ROOT = Path(__file__).parent.parent
BROWSER = ROOT / "tests" / "browser"
LOCKED = [pytest.param(Path(name), id=name) for name in REQUIREMENTS]
ADDRESS = re.compile(r"://|--index|--extra-index|--find-links|\.(com|net|org)\b")


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def packages(path: Path) -> list[str]:
    """The lines of a requirements file or lock that name a package, with those that it includes."""
    own = [line for line in lines(path) if not line.startswith("-")]
    return own + [line for below in included(path, "-r") for line in packages(below)]


def counted(path: Path, python: str) -> list[Requirement]:
    """What of these counts on Linux, on a version of Python."""
    place = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    named = (Requirement(line.partition(" --hash")[0]) for line in packages(path))
    return [one for one in named if one.marker is None or one.marker.evaluate(place)]


def name_of(requirement: Requirement) -> str:
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


def pinned(lock: Path, python: str) -> dict[str, Version]:
    """The version of each package; each has one alone."""
    versions: dict[str, Version] = {}
    for one in counted(lock, python):
        (specifier,) = one.specifier
        assert specifier.operator == "==", one
        version = Version(specifier.version)
        assert versions.setdefault(name_of(one), version) == version, one
    return versions


def test_every_requirements_file_has_a_lock_and_every_lock_its_requirements() -> None:
    found = set(Path().glob("requirements*.txt"))
    for folder in ("export", "tests"):
        found |= set(Path(folder).rglob("requirements*.txt"))
    assert found == {Path(name) for name in REQUIREMENTS}
    assert set(FOLDER.rglob("*.txt")) == {lock_of(path) for path in found}


@pytest.mark.parametrize("requirements", LOCKED)
def test_a_lock_was_made_from_its_requirements_as_they_are(requirements: Path) -> None:
    assert is_current(requirements), "make lock"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirements", LOCKED)
def test_a_lock_pins_every_requirement_to_a_version_that_it_allows(
    requirements: Path, python: str
) -> None:
    versions = pinned(lock_of(requirements), python)
    required = counted(requirements, python)
    assert required
    for one in required:
        assert one.specifier.contains(versions[name_of(one)], prereleases=True), one
    for constraints in included(requirements, "-c"):
        for one in counted(constraints, python):
            if name_of(one) in versions:
                assert one.specifier.contains(versions[name_of(one)], prereleases=True), one


@pytest.mark.parametrize("requirements", LOCKED)
def test_every_package_of_a_lock_has_a_hash_and_no_index_is_named(requirements: Path) -> None:
    locked = packages(lock_of(requirements))
    assert [line for line in locked if not re.search(r" --hash=sha256:[0-9a-f]{64}\b", line)] == []
    assert ADDRESS.search(lock_of(requirements).read_text(encoding="utf-8")) is None


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_installed_together_is_locked_to_the_same_versions(python: str) -> None:
    together = [lock_of(Path(f"requirements{part}.txt")) for part in ("-docs", "-backends")]
    docs, backends = (pinned(lock, python) for lock in together)
    assert {"keras", "sphinx"} <= set(docs)
    assert {"keras", "jax"} <= set(backends)
    assert {name: docs[name] for name in set(docs) & set(backends)}.items() <= backends.items()


def test_the_browsers_packages_are_locked() -> None:
    wanted = json.loads((BROWSER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (BROWSER / "package-lock.json").read_text(encoding="utf-8")
    locked = json.loads(text)["packages"]
    assert locked.pop("")["dependencies"] == wanted
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, one in locked.items() if "integrity" not in one] == []
    assert "resolved" not in text
    assert ADDRESS.search(text) is None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with requirements, what they include, and a lock of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.txt").write_text("toy>=1 # why\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("-r base.txt\nother==2\n", encoding="utf-8")
    FOLDER.mkdir()
    lock_of(Path("more.txt")).write_text(header(Path("more.txt")) + "other==2\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("edited", ["base.txt", "more.txt"])
def test_edited_requirements_need_a_new_lock(project: Path, edited: str) -> None:
    with (project / edited).open("a", encoding="utf-8") as file:
        file.write("# of no account\n")
    assert is_current(Path("more.txt"))
    with (project / edited).open("a", encoding="utf-8") as file:
        file.write("third\n")
    assert not is_current(Path("more.txt"))
    with pytest.raises(SystemExit, match=r"^locks/more.txt was not made from more.txt.*make lock"):
        install(Path("more.txt"))


def asked(monkeypatch: pytest.MonkeyPatch, system: str) -> list[str]:
    """What an installation on a system asks of pip."""
    commands: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=23)

    place = ("CPython", PYTHONS[0], system, "x86_64")
    monkeypatch.setattr(program, "here", lambda: place)
    monkeypatch.setattr(subprocess, "run", run)
    assert install(Path("more.txt")) == 23
    (command,) = commands
    return command[command.index("install") + 1 :]


@pytest.mark.usefixtures("project")
def test_where_locks_hold_nothing_but_what_they_name_is_installed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wheels = ["--only-binary", ":all:"]
    assert asked(monkeypatch, "Linux") == [
        "--require-hashes",
        *wheels,
        "--requirement",
        "locks/more.txt",
    ]
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("project")
def test_elsewhere_the_requirements_are_installed_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, "Darwin") == ["--requirement", "more.txt"]
    (line,) = capfd.readouterr().out.splitlines()
    assert "not for CPython 3.11 Darwin x86_64: more.txt is installed without one" in line


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("CPython", "3.13", "Linux", "aarch64"), True),
        (("CPython", "3.14", "Linux", "x86_64"), False),
        (("PyPy", "3.11", "Linux", "x86_64"), False),
        (("CPython", "3.12", "Windows", "x86_64"), False),
        (("CPython", "3.12", "Linux", "ppc64le"), False),
    ],
)
def test_where_locks_hold(place: tuple[str, str, str, str], expected: bool) -> None:
    assert is_locked(*place) is expected
