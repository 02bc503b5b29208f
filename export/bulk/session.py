"""An ONNX file of an export in ONNX Runtime."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from export.bulk.batches import batches, padded
from export.bulk.settings import Settings
from programs.library import stored, without_keras

_ERRORS_ONLY = 3
_PROVIDER = "ExecutionProvider"

Result = TypeVar("Result")
Arrays = dict[str, np.ndarray]
Tell = Callable[[int], object]


class Session:
    """Runs the file of the settings on batches of lines of similar lengths.

    Each batch is computed by one thread, several batches at once: threads that share the small
    steps of one decoder wait for one another, and would change the last digits.

    Args:
        settings: The file, and how to run it.
        outputs: The names of the outputs to compute.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """

    def __init__(self, settings: Settings, outputs: Sequence[str]) -> None:
        self._session = open_session(settings.file, settings.provider)
        self._settings = settings
        self._outputs = list(outputs)

    def __call__(
        self,
        ids: Mapping[str, Sequence[Sequence[int]]],
        results: Callable[[Arrays, Arrays], Sequence[Result]],
        tell: Tell,
    ) -> dict[int, Result]:
        """Return the results of lines by their places; lines without tokens have none.

        Args:
            ids: The rows of each input by its name, with their end tokens. Lines are sorted by
                their lengths in the first input, then in the next.
            results: Makes the results of the lines of a batch from its inputs and outputs.
            tell: Is called with the number of lines of each batch that is done.
        """

        def computed(batch: Sequence[int]) -> Sequence[Result]:
            given = {name: padded([rows[i] for i in batch]) for name, rows in ids.items()}
            return results(given, self._run(given))

        lengths = [tuple(map(len, line)) for line in zip(*ids.values(), strict=True)]
        chosen = [*batches(lengths, self._settings.batch_tokens)]
        chosen.reverse()  # the longest first, so that all threads end at about the same time
        done: dict[int, Result] = {}
        with ThreadPoolExecutor(self._settings.threads) as pool:
            for batch, found in zip(chosen, pool.map(computed, chosen), strict=True):
                tell(len(batch))
                done.update(zip(batch, found, strict=True))
        return done

    def _run(self, given: Arrays) -> Arrays:
        try:
            outputs = self._session.run(self._outputs, given)
        except Exception as error:  # of classes of ONNX Runtime, which have no base in Python
            raise RuntimeError(f"ONNX Runtime: {stored().one_line(error)}") from error
        return dict(zip(self._outputs, outputs, strict=True))


def open_session(file: Path, provider: str) -> Any:
    """Open a file in ONNX Runtime, after an inspection, as it may come from other people.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = next((name for name in there if _short(name) == provider), None)
    if wanted is None:
        names = ", ".join(sorted(map(_short, there)))
        raise ValueError(f"--provider must be one of: {names}. Received: --provider {provider}")
    _inspection().inspect_onnx(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(file, options, providers=[wanted])
    except Exception as error:
        raise ValueError(f"{file} cannot be opened: {stored().one_line(error)}") from error
    if session.get_providers()[0] != wanted:  # ONNX Runtime would fall back to the CPU in silence
        raise ValueError(f"--provider {provider} cannot be started; its libraries may be missing")
    return session


def _short(provider: str) -> str:
    return provider.removesuffix(_PROVIDER).lower()


def _inspection() -> Any:
    package = without_keras("export/inspection")
    return importlib.import_module(f"{package.__name__}.onnx")
