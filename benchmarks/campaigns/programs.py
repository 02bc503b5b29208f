"""The programs, called with hostile texts and corpora in one process.

Each must end with status 0, or 3 if it left out lines as it was told to, or say what is wrong after
`error:`; never with a traceback.
"""

from __future__ import annotations

import importlib
import io
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import Any

from benchmarks.campaigns import hostile
from benchmarks.campaigns.journal import Job, Trial

_CALLS, _LINES = 50, 20
_DONE = (0, 3)
_TOY = (
    *("model.encoder_units=8", "model.decoder_units=8", "model.attention_units=8"),
    *("model.attention_layer_units=8", "model.embedding_size=8", "training.steps=2"),
    *("training.batch_tokens=200", "data.dev_pairs=4", "data.held_out_pairs=4"),
    *("data.max_source_length=40", "data.max_target_length=40", "text.source_vocabulary=300"),
    *("text.target_vocabulary=300", "text.model_type=char"),
)


def trials(job: Job) -> Iterator[Trial]:
    """Yield the calls of all programs."""
    kinds: dict[str, Callable[[Job, random.Random], Iterator[str]]] = {
        "translate": _translate,
        "explain": _explain,
        "score": partial(_of_pairs, "score"),
        "evaluate": partial(_of_pairs, "evaluate"),
        "plot_attention": _plot,
        "train": _train,
    }
    for name, call in kinds.items():
        for i in range(job.count(_CALLS)):
            chance = random.Random(f"{job.seed} {name} {i}")
            yield Trial(f"{name} {i}", partial(call, job, chance))


def _translate(job: Job, chance: random.Random) -> Iterator[str]:
    from training.translate import main

    lines = [hostile.line(chance) for _ in range(_LINES)]
    given = [str(job.run), *chance.choice(([], ["--on-problem", "empty"], ["--n-best", "2"]))]
    status, out, problems = called(main, given, b"".join(line + b"\n" for line in lines))
    yield from problems
    if status in _DONE and "--n-best" not in given and out.count("\n") != _LINES:
        yield f"{out.count(chr(10))} lines for {_LINES}"


def _explain(job: Job, chance: random.Random) -> Iterator[str]:
    from training.explain import main

    yield from called(main, [str(job.run), "--", hostile.text(chance)])[2]


def _plot(job: Job, chance: random.Random) -> Iterator[str]:
    from training.plot_attention import main

    given = [str(job.run), "--out", str(job.work / "plot.svg"), "--", hostile.text(chance)]
    yield from called(main, given)[2]


def _of_pairs(program: str, job: Job, chance: random.Random) -> Iterator[str]:
    main = importlib.import_module(f"training.{program}").main
    source, target = (_file(job, side, chance) for side in ("source", "target"))
    yield from called(main, [str(job.run), "--source", source, "--target", target])[2]


def _train(job: Job, chance: random.Random) -> Iterator[str]:
    from training.train import main

    file, out = job.work / "pairs.tsv", job.work / "hostile-run"
    rows = [hostile.line(chance) + b"\t" + hostile.line(chance) for _ in range(60)]
    if chance.random() < 0.5:
        rows = [row.decode("utf-8", "ignore").encode() for row in rows]
    file.write_bytes(b"".join(row + b"\n" for row in rows))
    policy = chance.choice(("drop", "error"))
    given = ["--recipe", "corpus", *_TOY, f"data.train.tsv={file}", f"data.on_problem={policy}"]
    yield from called(main, [*given, "--out", str(out)])[2]
    shutil.rmtree(out, ignore_errors=True)


def _file(job: Job, side: str, chance: random.Random) -> str:
    path = job.work / f"{side}.txt"
    path.write_bytes(b"".join(hostile.line(chance) + b"\n" for _ in range(_LINES)))
    return str(path)


def called(
    main: Callable[[list[str]], int], arguments: list[str], given: bytes = b""
) -> tuple[Any, str, list[str]]:
    """Call a program; return its status, what it printed, and what was wrong.

    Args:
        main: The program.
        arguments: Its arguments.
        given: Its standard input.
    """
    out, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given))
    try:
        with redirect_stdout(out), redirect_stderr(said):
            status: Any = main(arguments)
    except SystemExit as error:
        status = error.code
    finally:
        sys.stdin = before
    texts = []
    for stream in (out, said):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    is_clear = status in _DONE or "error: " in texts[1]
    return status, texts[0], [] if is_clear else [f"status {status}: {texts[1][-300:]}"]
