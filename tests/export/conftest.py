from __future__ import annotations

from pathlib import Path

import pytest

from export.pipeline import export_run
from keras_attention.text.runs import RunDirectory
from tests.export.toy import toy_run
from tests.shared import made_once


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(made_once(tmp_path_factory, "runs/toy", toy_run))


@pytest.fixture(scope="session")
def exported(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy run's export to all formats, with all assets."""
    return made_once(tmp_path_factory, "exports/toy", lambda out: export_run(run.path, out))
