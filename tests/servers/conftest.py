from __future__ import annotations

from pathlib import Path

import pytest

from export.pipeline import export_run
from tests.export.toy import toy_run
from tests.shared import made_once


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy run's export to ONNX, with its server."""
    trained = made_once(tmp_path_factory, "runs/toy", toy_run)
    return export_run(trained, tmp_path_factory.mktemp("out") / "toy", ["onnx"], [])
