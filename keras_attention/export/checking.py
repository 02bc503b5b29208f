"""Compare an exported file, in its own runtime, with the Keras model."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_attention.export import runtimes
from keras_attention.export.calls import Calls, listed_calls
from keras_attention.export.extras import ONNX, TFLITE, check_installed
from keras_attention.export.functions import (
    CALL,
    Function,
    Functions,
    check_is_model,
    checked_functions,
)
from keras_attention.export.inspection.before import inspect_before
from keras_attention.export.naming import named
from keras_attention.export.runtimes.runner import Arrays, Batches, Job
from keras_attention.types import Nest

RUNTIMES = Path(runtimes.__file__).parent


class Difference(NamedTuple):
    """An output of an exported file that is not the model's.

    Attributes:
        function: The name of the function.
        call: The index of the call among those of the function that `check` was given.
        output: The name of the output; empty if the function did not run, or if the problem is one
            of the whole file.
        largest: The largest absolute difference; infinite for NaN, and if `problem` is given.
        problem: Why the outputs cannot be compared, or what else is wrong, or None.
    """

    function: str
    call: int
    output: str
    largest: float
    problem: str | None = None


def check(
    path: str | Path,
    model: keras.Model,
    inputs: Any,
    *,
    input_signature: Nest | None = None,
    functions: Functions | None = None,
    atol: float = 1e-4,
) -> list[Difference]:
    """Run an exported file in its own runtime, and return what differs from the model.

    The file runs in a new process that imports neither Keras nor this package: a SavedModel in
    TensorFlow, a `.tflite` file in LiteRT and an `.onnx` file in ONNX Runtime, each call after the
    other in one session, as in an application. Give calls of different lengths, short ones first.
    On Linux, if memray is installed, it is also a difference if LiteRT's workspace grows after the
    first call, because LiteRT may then give wrong outputs: see docs/litert-workspace.md.

    A file that could do more than compute is not run, and differs: a SavedModel with operations on
    files, networks, other processes or Python, an ONNX or TFLite file with operations of other
    libraries or tensors outside its folder.

    Args:
        path: What `to_saved_model`, `to_tflite` or `to_onnx` returned.
        model: The Keras model.
        inputs: The arrays of a call by name, or a list of several calls; with `functions` a
            dictionary of these by the function's name, for the functions to check. Files with a
            batch size of 1 get one row after the other.
        input_signature: As it was exported.
        functions: As they were exported.
        atol: The largest absolute difference that does not count. Weights in 16 or 8 bits need
            more.

    Returns:
        The outputs that differ; empty if the file does what the model does.

    Raises:
        FileNotFoundError: If there is no such file, or none of a function.
        ModuleNotFoundError: If the runtime is missing.
        ValueError: If the ending of `path` is unknown, `inputs` has no call, or a call has arrays
            of other names, shapes or dtypes than the function.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> inputs = keras.Input((None, 3), name="readings")
        >>> model = keras.Model(inputs, ka.attention.AttentionPooling(4)(inputs))
        >>> calls = [{"readings": np.ones((2, length, 3), "float32")} for length in (1, 7)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_onnx(model, f"{folder}/model.onnx")
        ...     ka.export.check(path, model, calls)
        []
    """
    check_is_model(model)
    path = Path(path)
    _check_exists(path)
    given = checked_functions(model, input_signature, functions)
    calls = listed_calls({CALL: inputs} if functions is None else inputs, given)
    files: dict[tuple[Path, Path], list[str]] = {}
    for name in calls:
        place = _place_of(path, name, is_alone=functions is None)
        files.setdefault(place, []).append(name)
    found: list[Difference] = []
    for (file, program), names in files.items():
        results, problems = _outputs(file, program, {name: calls[name] for name in names})
        found += problems
        for name, outputs in results.items():
            for i, (call, of_call) in enumerate(zip(calls[name], outputs, strict=True)):
                expected = {key: _as_array(x) for key, x in named(_called(given[name], call))}
                found += _differences(name, i, expected, of_call, atol)
    return found


def _outputs(
    file: Path, program: Path, calls: Calls
) -> tuple[dict[str, list[Arrays]], list[Difference]]:
    """Run the functions of a file in one process; return the outputs of each call, and problems.

    If the process fails, each function gets a process of its own, so that the others can be
    compared.
    """
    batches: Batches = {}
    numbers: dict[str, list[str]] = {name: [] for name in calls}
    for name, call in [(name, call) for name, of_one in calls.items() for call in of_one]:
        numbers[name].append(f"{len(batches):03d}")
        batches[numbers[name][-1]] = dict(call)
    can_watch = find_spec("memray") is not None
    try:
        job = Job(str(file), tuple(calls), calls=numbers, watched=can_watch)
        found = run_program(program, job, batches, {})
    except RuntimeError as error:
        if len(calls) == 1:
            problem = f"{file.name}: {error}"
            return {}, [Difference(name, 0, "", np.inf, problem) for name in calls]
        each = [_outputs(file, program, {name: of_one}) for name, of_one in calls.items()]
        results = {name: outputs for of_one, _ in each for name, outputs in of_one.items()}
        return results, [problem for _, problems in each for problem in problems]
    results = {
        name: [outputs_of(found, name).get(number, {}) for number in numbers[name]]
        for name in calls
    }
    grown = int(found["grown"]) if can_watch else 0
    problem = (
        f"LiteRT's workspace grew to {grown:,} bytes after the first call, and outputs may be "
        "wrong then: export with a larger `longest`"
    )
    return results, [Difference(next(iter(calls)), 0, "", np.inf, problem)] * bool(grown)


def run_program(
    program: Path,
    job: Job,
    inputs: Batches,
    timed: Batches,
    importable: Sequence[Path] = (),
    of_runs: bool = False,
) -> dict[str, np.ndarray]:
    """Inspect a file, run it in a new process, and return its outputs by `SIGNATURE/NNN/NAME`.

    Args:
        program: The program of a runtime.
        job: The job, without the names of its files.
        inputs: The inputs by number and name.
        timed: Single inputs to time.
        importable: Folders from which the program may import besides its own.
        of_runs: Whether the file must hold the operations of exports of runs alone.

    Raises:
        RuntimeError: If the file is refused, or the process fails; the reason in one line.
    """
    inspect_before(program, Path(job.artefact), of_runs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {key: folder / f"{key}.npz" for key in ("inputs", "timed", "outputs")}
        _save(files["inputs"], inputs)
        _save(files["timed"], timed)
        job.write(folder / "job.json", **{key: str(file) for key, file in files.items()})
        environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(map(str, importable)),
        }
        command = [sys.executable, str(program), str(folder / "job.json")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(_reason(done))
        with np.load(files["outputs"]) as outputs:
            return dict(outputs)


def outputs_of(found: Mapping[str, np.ndarray], signature: str) -> Batches:
    """The outputs of one signature by number and name."""
    batches: Batches = {}
    for key, array in found.items():
        first, *rest = key.rsplit("/", 2)
        if first == signature and len(rest) == 2:
            batches.setdefault(rest[0], {})[rest[1]] = array
    return batches


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}")


def _place_of(path: Path, function: str, is_alone: bool) -> tuple[Path, Path]:
    """The file that contains a function, and the program of its runtime."""
    if path.suffix == ".tflite":
        check_installed(TFLITE, "ai_edge_litert")
        return path, RUNTIMES / "run_litert.py"
    if (path / "saved_model.pb").exists():
        return path, RUNTIMES / "run_tensorflow.py"
    file = path if is_alone else path / f"{function}.onnx"
    if file.suffix != ".onnx":
        raise ValueError(
            "Argument `path` must be a SavedModel, a `.tflite` file or an `.onnx` file. "
            f"Received: {path}"
        )
    _check_exists(file)
    check_installed(ONNX, "onnxruntime")
    return file, RUNTIMES / "run_onnx.py"


def _called(function: Function, call: Mapping[str, np.ndarray]) -> Any:
    return function.call(**{name: keras.ops.convert_to_tensor(x) for name, x in call.items()})


def _as_array(x: Any) -> np.ndarray:
    """A tensor as an array, of `str` if it holds strings."""
    array: np.ndarray = keras.ops.convert_to_numpy(x)
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype.kind == "O" else array


def _differences(
    function: str, call: int, expected: Arrays, found: Arrays, atol: float
) -> list[Difference]:
    differences = []
    for name, array in expected.items():
        problem, largest = None, np.inf
        if name not in found:
            problem = f"the file has no such output, but {sorted(found)}"
        elif found[name].shape != array.shape:
            problem = f"the shape is {found[name].shape}, expected {array.shape}"
        elif array.dtype.kind not in "fiub":
            largest = 0.0 if np.array_equal(array, found[name]) else np.inf
        else:
            largest = largest_difference(array, found[name])
        if largest > atol:
            differences.append(Difference(function, call, name, largest, problem))
    return differences


def largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference; that of equal infinities is 0, that of a NaN infinite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(expected.astype("float64") - found.astype("float64"))
    difference = np.where(expected == found, 0.0, difference)
    return float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _save(path: Path, batches: Batches) -> None:
    arrays = {f"{number}/{k}": x for number, batch in batches.items() for k, x in batch.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes names for flags


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the process crashed (signal {-done.returncode})"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {done.returncode}"
