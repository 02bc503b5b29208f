"""Translate strings in MLServer: run `python mlserver/serve.py` in the folder of the export.

MLServer's adaptive batching joins requests before they are checked, so one invalid or cancelled
request makes the whole batch fail. This runtime checks each text first and then joins texts itself.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from inspection.onnx import inspect_onnx
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mlserver.utils import get_model_uri
from stored import read_export

# MLServer imports modules from its working directory, where `onnx/` of the export would shadow the
# package `onnx`, an optional dependency of onnxruntime_extensions.
_path = sys.path.copy()
sys.path[:] = [entry for entry in sys.path if not Path(entry, "onnx", "translate.onnx").exists()]
import onnxruntime_extensions  # noqa: E402

sys.path[:] = _path

Row = tuple[np.ndarray, np.ndarray]
OUTPUTS = ("translation", "scores")
_ERRORS_ONLY = 3
_SHOWN = 60
_COUNTED_AT_ONCE = 16
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Runtime(MLModel):
    """Input `text` BYTES [B]; outputs `translation` BYTES [B, K] and `scores` FP32 [B, K].

    In `model-settings.json`, `max_batch_size` is the maximum number of texts per batch. In its
    `parameters`, `uri` is the folder of the export, and `extra` contains

    - `precision`: `"float32"`, or another precision of the export, such as `"int8"`;
    - `threads`: the number of batches to translate in parallel, on one thread each; 0 for the
      number of processors, or fewer if the container has a limit of processor time.
    """

    async def load(self) -> bool:
        if self.settings.max_batch_time > 0:
            raise ValueError(
                "`max_batch_time` must be 0, because this runtime has its own batching. "
                f"Received: max_batch_time={self.settings.max_batch_time}"
            )
        out = Path(await get_model_uri(self.settings))
        parameters = self.settings.parameters
        extra = (parameters.extra if parameters else None) or {}
        config = read_export(out)
        self._limit: int = config.max_source_length
        self._width: int = config.search.beam_width
        self._counter = open_session(out / "mlserver" / "lengths.onnx")
        self._session = open_session(
            translate_file(out / "onnx", extra.get("precision", "float32"))
        )
        threads = extra.get("threads", 0) or processors()
        self._batcher = Batcher(self._translate, self.settings.max_batch_size, threads)
        await self._batcher([""], [1])
        return True

    async def unload(self) -> bool:
        if hasattr(self, "_batcher"):  # missing if loading failed
            self._batcher.close()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        asked = asked_outputs(payload)
        texts = texts_of(payload)
        lengths = await self._lengths(texts)
        rows = await self._batcher(texts, lengths)
        outputs = [self._output(name, rows) for name in asked]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)

    def _translate(self, texts: Sequence[str]) -> list[Row]:
        found = self._session.run(OUTPUTS, {"text": np.array(texts, object)})
        return list(zip(*found, strict=True))

    async def _lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, counted in parts, so that a cancelled request ends."""
        found: list[int] = []
        for start in range(0, len(texts), _COUNTED_AT_ONCE):
            part = texts[start : start + _COUNTED_AT_ONCE]
            found += await asyncio.to_thread(self._count, part)
            self._check(texts, found, start)
        return found

    def _count(self, texts: Sequence[str]) -> list[int]:
        (lengths,) = self._counter.run(["lengths"], {"text": np.array(texts, object)})
        return lengths.tolist()

    def _check(self, texts: Sequence[str], lengths: Sequence[int], start: int) -> None:
        for number, length in enumerate(lengths[start:], start=start + 1):
            if length > self._limit:
                text = texts[number - 1]
                shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
                raise InferenceError(
                    f"Text {number} must have at most {self._limit} tokens, including the end "
                    f"token, but has {length}. Received: {shown!r}"
                )

    def _output(self, name: str, rows: Sequence[Row]) -> ResponseOutput:
        shape = (len(rows), self._width)
        column = [row[OUTPUTS.index(name)] for row in rows]
        if name == "scores":
            return NumpyCodec.encode_output(name, np.reshape(column, shape).astype("float32"))
        output = StringCodec.encode_output(name, [text for texts in column for text in texts])
        output.shape = list(shape)
        return output


@dataclass(eq=False)
class Text:
    """A text that waits for its translation."""

    text: str
    length: int
    answer: asyncio.Future[Row]


@dataclass(eq=False)
class Waiting:
    """The texts of a request that wait, and how many no longer do."""

    texts: list[Text]
    taken: int = 0

    def nearest(self, length: int) -> Text:
        """Return the text closest to a length."""
        return min(self.texts, key=lambda text: abs(text.length - length))

    def take(self, text: Text) -> Text:
        """Let a text wait no longer."""
        self.texts.remove(text)
        self.taken += 1
        return text


class Batcher:
    """Joins waiting texts of all requests to batches.

    While all threads are busy, texts wait. The next batch begins with the request that has had no
    turn for longest. Then the requests of which the fewest texts were taken so far add one each,
    the closest in length first, and so on until the batch is full. Batches therefore grow under
    load, a single text is translated immediately, and a request of many texts fills the places that
    others leave.

    Args:
        translate: A function from texts to one row per text.
        most: The maximum number of texts per batch.
        threads: The number of batches to translate in parallel.
    """

    def __init__(
        self, translate: Callable[[Sequence[str]], list[Row]], most: int, threads: int
    ) -> None:
        self._translate = translate
        self._most = max(most, 1)
        self._free = threads
        self._threads = ThreadPoolExecutor(max_workers=threads)
        self._waiting: list[Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, texts: Sequence[str], lengths: Sequence[int]) -> list[Row]:
        """Return the rows of the texts, in order."""
        loop = asyncio.get_running_loop()
        asked = [Text(*text, loop.create_future()) for text in zip(texts, lengths, strict=True)]
        waiting = Waiting(asked.copy())
        self._waiting.append(waiting)
        self._start()
        try:
            return await asyncio.gather(*(text.answer for text in asked))
        finally:
            waiting.texts.clear()  # after an error

    def close(self) -> None:
        """Shut down the threads."""
        self._threads.shutdown(wait=False)

    def _start(self) -> None:
        while self._free and (batch := self._next()):
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> list[Text]:
        """Return the next batch, without texts whose request was cancelled."""
        self._waiting = [
            each for each in self._waiting if each.texts and not each.texts[0].answer.done()
        ]
        if not self._waiting:
            return []
        first = self._waiting[0]
        batch = [first.take(first.texts[0])]
        turns = [first]
        while len(batch) < self._most and (waiting := [x for x in self._waiting if x.texts]):
            fewest = min(each.taken for each in waiting)
            found = [
                (each.nearest(batch[0].length), each) for each in waiting if each.taken == fewest
            ]
            found.sort(key=lambda pair: abs(pair[0].length - batch[0].length))
            for text, each in found[: self._most - len(batch)]:
                batch.append(each.take(text))
                turns.append(each)
        self._waiting.sort(key=lambda each: each in turns)
        return batch

    async def _answer(self, batch: Sequence[Text]) -> None:
        texts = [text.text for text in batch]
        try:
            loop = asyncio.get_running_loop()
            rows = await loop.run_in_executor(self._threads, self._translate, texts)
        except Exception as error:
            for text in batch:
                if not text.answer.done():
                    text.answer.set_exception(error)
        else:
            for text, row in zip(batch, rows, strict=True):
                if not text.answer.done():
                    text.answer.set_result(row)
        finally:
            self._free += 1
            self._start()


def translate_file(folder: Path, precision: str) -> Path:
    """Return the model file with weights of this precision."""
    name = "translate.onnx" if precision == "float32" else f"translate.{precision}.onnx"
    if not (folder / name).is_file():
        there = sorted(file.name for file in folder.glob("translate*.onnx"))
        raise FileNotFoundError(
            f"This export has no {name}. Available: {', '.join(there) or 'none'}. "
            f"Received: precision={precision!r}"
        )
    return folder / name


def open_session(file: Path) -> Any:
    """Open an ONNX Runtime session with the tokenizer ops, which runs in the caller's thread.

    Parallel searches use the processors better than a single search on several threads, which have
    to wait for one another at each step.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
    """
    inspect_onnx(file)
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def asked_outputs(payload: InferenceRequest) -> list[str]:
    """Return the names of the requested outputs; defaults to all."""
    names = [output.name for output in payload.outputs or ()]
    unknown = sorted(set(names) - set(OUTPUTS))
    if unknown:
        raise InferenceError(
            f"Outputs must be {' or '.join(OUTPUTS)}. Received: {', '.join(unknown)}"
        )
    return names or list(OUTPUTS)


def texts_of(payload: InferenceRequest) -> list[str]:
    """Return the texts of a request."""
    names = [given.name for given in payload.inputs]
    if names != ["text"]:
        raise InferenceError(
            f"The only input must be `text`. Received: {', '.join(names) or 'none'}"
        )
    (given,) = payload.inputs
    if given.datatype != "BYTES":
        raise InferenceError(
            f"Input `text` must have the datatype BYTES. Received: {given.datatype!s}"
        )
    content: Any = getattr(given.data, "root", given.data)
    elements = content if isinstance(content, list) else [content]
    if given.shape != [len(elements)]:
        raise InferenceError(
            "Input `text` must have shape [B], with B texts. "
            f"Received: shape {given.shape}, {len(elements)} texts"
        )
    return [_text(number, element) for number, element in enumerate(elements, start=1)]


def _text(number: int, element: Any) -> str:
    if isinstance(element, str):
        return element
    if not isinstance(element, bytes):
        raise InferenceError(
            f"Input `text` must hold strings. Received: text {number}, {element!r}"[:200]
        )
    try:
        return element.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InferenceError(f"Text {number} is not UTF-8. Received: {error}") from error


def processors(quota: Path = _QUOTA) -> int:
    """Return the number of processors that this process may use.

    Args:
        quota: The file in which Linux says how many microseconds of how many a container may use.
    """
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    try:
        used, period = map(int, quota.read_text("ascii").split())
    except (OSError, ValueError):  # no Linux, the first version of cgroups, or "max"
        return there
    return min(there, math.ceil(used / period))
