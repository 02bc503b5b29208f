from __future__ import annotations

from pathlib import Path

import pytest

from keras_attention.export.checking import RUNTIMES, run_program
from keras_attention.export.inspection import Refused
from keras_attention.export.inspection.before import inspect_before
from keras_attention.export.runtimes.runner import Job

PROGRAMS = [path for path in RUNTIMES.glob("*.py") if "__main__" in path.read_text("utf-8")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("ending", ["", ".onnx", ".tflite", ".keras", ".ort"])
def test_no_runtime_opens_what_was_not_inspected(
    program: Path, ending: str, tmp_path: Path
) -> None:
    """The program decides which inspection it is, not the name that a stranger gave the file."""
    file = tmp_path / f"model{ending}"
    file.write_bytes(b"a shopping list")
    with pytest.raises(Refused):
        inspect_before(program, file)
    with pytest.raises(Refused):
        run_program(program, Job(str(file), ("call",)), {}, {})


def test_all_programs_of_the_runtimes_are_meant() -> None:
    assert {path.stem for path in PROGRAMS} == {
        "grow_litert",
        "run_litert",
        "run_onnx",
        "run_openvino",
        "run_tensorflow",
    }
