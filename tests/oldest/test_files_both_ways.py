"""Every public layer and model is saved on the newest versions, loaded on the oldest, and back.

`make test-oldest` installs the oldest versions and runs this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conformance.registry import REGISTRY
from tests.conftest import ROOT

OLDEST = ROOT / ".oldest" / "bin" / "python"
NOT_IN_OLD_KERAS = ('"input_axes"', '"class_name": "Cast"')
"""What Keras 3.15 writes for its own classes and Keras 3.7 does not read: an argument of
initializers, and the configuration of `ops.cast`."""
Results = dict[str, dict[str, str]]

pytestmark = pytest.mark.skipif(
    not OLDEST.is_file(), reason="`make test-oldest` installs what this needs"
)


def run(python: str | Path, command: str, folder: Path) -> str:
    """Run `tests.oldest.files` in an environment."""
    program = (str(python), "-W", "ignore", "-m", "tests.oldest.files", command, str(folder))
    env = os.environ | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(program, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newest")
    run(sys.executable, "write", folder)
    return folder


@pytest.fixture(scope="module")
def on_oldest(by_newest: Path) -> Results:
    results: Results = json.loads(run(OLDEST, "read", by_newest))
    return results


@pytest.fixture(scope="module")
def on_newest(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("oldest")
    run(OLDEST, "write", folder)
    results: Results = json.loads(run(sys.executable, "read", folder))
    return results


def test_the_oldest_versions_are_old(on_oldest: Results, on_newest: Results) -> None:
    assert (on_oldest["versions"]["keras"], on_oldest["versions"]["numpy"]) == ("3.7.0", "1.26.0")
    assert on_newest["versions"]["keras"] >= "3.15"


@pytest.mark.parametrize("kind", ["keras", "weights.h5"])
@pytest.mark.parametrize("name", REGISTRY)
def test_the_newest_loads_what_the_oldest_wrote(name: str, kind: str, on_newest: Results) -> None:
    assert on_newest[kind][name] == ""


@pytest.mark.parametrize("name", REGISTRY)
def test_the_oldest_loads_weights_that_the_newest_wrote(name: str, on_oldest: Results) -> None:
    assert on_oldest["weights.h5"][name] == ""


@pytest.mark.parametrize("name", REGISTRY)
def test_the_oldest_loads_models_that_the_newest_wrote_if_keras_can(
    name: str, by_newest: Path, on_oldest: Results
) -> None:
    with zipfile.ZipFile(by_newest / f"{name}.keras") as archive:
        config = archive.read("config.json").decode()
    if any(part in config for part in NOT_IN_OLD_KERAS):
        assert "__init__() got an unexpected keyword argument" in on_oldest["keras"][name]
    else:
        assert on_oldest["keras"][name] == ""
