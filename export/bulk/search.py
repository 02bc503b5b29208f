"""Searches of an export in ONNX Runtime."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export.bulk.batches import batches, padded
from export.bulk.settings import Settings
from export.bulk.tokenizers import END_ID
from programs.library import stored, without_keras

OUTPUTS = ("ids", "lengths", "scores")
_ERRORS_ONLY = 3
_PROVIDER = "ExecutionProvider"


class Found(NamedTuple):
    """A translation as ids.

    Attributes:
        ids: The target tokens, with the end token.
        score: The score.
        attention: Weights (T, S), or None if nobody has asked for them.
    """

    ids: list[int]
    score: float
    attention: np.ndarray | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the end token was reached; a line without tokens has nothing to end."""
        return self.ids[-1] == END_ID if self.ids else self.score == 0


EMPTY = Found([], 0.0)
"""The translation of a line without tokens."""


class Search:
    """A search of an export.

    Each batch is translated by one thread, several batches at once: threads that share the small
    steps of one search wait for one another, and would change the last digits.

    Args:
        settings: The file of the search, and how to run it.
        attention: Whether to return attention weights.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """

    def __init__(self, settings: Settings, attention: bool = False) -> None:
        self._session = open_session(settings.file, settings.provider)
        self._outputs = [*OUTPUTS, "attention"] if attention else list(OUTPUTS)
        self._settings = settings
        self._count = settings.n_best or 1

    def __call__(
        self, ids: Sequence[Sequence[int]], tell: Callable[[int], object] = int
    ) -> list[list[Found]]:
        """Return the translations of lines, best first.

        Args:
            ids: The source tokens of each line, without the end token.
            tell: Is called with the number of lines of each batch that is done.
        """
        rows = [[*row, END_ID] if row else [] for row in ids]
        done = [[EMPTY] for _ in rows]
        chosen = [*batches([len(row) for row in rows], self._settings.batch_tokens)]
        chosen.reverse()  # the longest first, so that all threads end at about the same time
        with ThreadPoolExecutor(self._settings.threads) as pool:
            found = pool.map(self._batch, ([rows[i] for i in batch] for batch in chosen))
            for batch, results in zip(chosen, found, strict=True):
                tell(len(batch))
                for place, result in zip(batch, results, strict=True):
                    done[place] = result
        return done

    def _batch(self, rows: Sequence[Sequence[int]]) -> list[list[Found]]:
        try:
            outputs = self._session.run(self._outputs, {"source": padded(rows)})
        except Exception as error:  # of classes of ONNX Runtime, which have no base in Python
            raise RuntimeError(f"ONNX Runtime: {stored().one_line(error)}") from error
        found = dict(zip(self._outputs, outputs, strict=True))
        return [list(self._row(found, i, len(row))) or [_NONE] for i, row in enumerate(rows)]

    def _row(self, found: dict[str, np.ndarray], row: int, source: int) -> Iterator[Found]:
        attention = found.get("attention")
        for k, length in enumerate(found["lengths"][row, : self._count].tolist()):
            if length > 0:
                weights = None
                if attention is not None and k == 0:
                    weights = attention[row, k, :length, :source].copy()
                ids = found["ids"][row, k, :length].tolist()
                yield Found(ids, float(found["scores"][row, k]), weights)


_NONE = Found([], -math.inf)


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
