"""Measure whether training waits for its input: `python -m benchmarks.input_pipeline --data DIR`.

Times the same steps in alternation: on batches that the pipeline makes from text at the same time,
and on the same batches in memory. A ratio of 1 means that the pipeline costs nothing. Also times
the pipeline alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from training.program import ConfigError, guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.input_pipeline", description=__doc__
    )
    parser.add_argument("--recipe", default="multi30k-de-en", help="a recipe (multi30k-de-en)")
    parser.add_argument("--data", metavar="DIR", help="the folder with the recipe's files")
    parser.add_argument("--steps", type=int, default=30, help="steps per turn (30)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each kind (5)")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _measure(options), ConfigError)


def _measure(options: argparse.Namespace) -> int:
    from training.corpora.files import use_data_folder

    if options.data is not None:
        use_data_folder(options.data)
    model, batches = _model_and_batches(options)
    steps = options.steps
    held = list(batches.take(steps).as_numpy_iterator())

    def seconds(source: Any) -> float:
        start = time.perf_counter()
        for inputs, labels in source:
            model.train_on_batch(inputs, labels)
        return time.perf_counter() - start

    seconds(held)  # compiles, and warms up
    turns = [(seconds(batches.take(steps)), seconds(held)) for _ in range(options.turns)]
    start = time.perf_counter()
    made = sum(1 for _ in batches.take(10 * steps))
    alone = (time.perf_counter() - start) / made
    piped, cached = (1000 * median(column) / steps for column in zip(*turns, strict=True))
    ratio = median(one / other for one, other in turns)
    print(f"step from text           {piped:8.1f} ms")
    print(f"step from memory         {cached:8.1f} ms    ratio {ratio:.3f}")
    print(f"a batch of the pipeline  {1000 * alone:8.1f} ms")
    return 0


def _model_and_batches(options: argparse.Namespace) -> tuple[Any, Any]:
    from training.fitting.batches import statistics
    from training.fitting.choices import with_batches_chosen
    from training.fitting.optimizer import compiled_model
    from training.fitting.pipeline import budget_of, training_batches
    from training.fitting.tasks import task_of
    from training.fitting.text import fitting_pairs, with_sizes
    from training.recipes.reading import load_config
    from training.shards.parts import counts

    plain = ["training.dtype=float32", "training.jit_compile=false"]
    config = load_config(options.recipe, [*plain, *options.overrides])
    task = task_of(config.data)
    tokenizers = task.tokenizers(config.text)
    task.keep_training_pairs(lambda pairs: fitting_pairs("train", pairs, config, tokenizers, task))
    config = with_sizes(config, *(tokenizer.vocabulary_size for tokenizer in tokenizers))
    training = with_batches_chosen(config.training)
    passes = task.passes(tokenizers, training.seed)
    budget = budget_of(training, counts(passes.parts(0)))
    print(f"A pass: {statistics(passes, budget, training.seed)}.")
    batches = training_batches(passes, config.model.start_id, budget, training.seed)
    return compiled_model(config), batches


if __name__ == "__main__":
    sys.exit(main())
