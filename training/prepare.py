"""Make shards of a corpus: `python -m training.prepare --recipe NAME [key=value ...] --out DIR`.

Reads the text that `data.train` of the recipe names (several files are read in several processes),
learns the tokenizers on a sample of it, and writes token ids in files that a training reads one by
one: `python -m training.train --recipe NAME data.train.shards=DIR --out RUN`. However large the
text, it needs the memory of a small one. Run again, it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from programs.tasks import processors
from training.options import add_recipe, config_of, count
from training.program import ConfigError, RunError, guarded

if TYPE_CHECKING:
    from training.corpora.pairs import Pair
    from training.shards.parts import Tokenizers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(parser)
    parser.add_argument("--out", type=Path, required=True, help="the folder for the shards")
    parser.add_argument(
        "--workers",
        type=count,
        default=processors(),
        help="the number of processes (default: the cores)",
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="the Ray cluster to run on instead; local starts one here"
    )
    parser.add_argument(
        "--shard-pairs", type=count, default=100_000, help="pairs in a shard (%(default)s)"
    )
    parser.add_argument(
        "--sample", type=count, default=100_000, help="pairs that teach tokenizers (%(default)s)"
    )
    cleaning = parser.add_argument_group("training pairs to leave out, each kind counted")
    cleaning.add_argument("--drop-repeated", action="store_true", help="all but the first of equal")
    cleaning.add_argument("--drop-equal", action="store_true", help="pairs whose sides are equal")
    cleaning.add_argument(
        "--most-ratio",
        type=float,
        metavar="R",
        help="pairs one of whose sides has more than R times the tokens of the other",
    )
    options = parser.parse_intermixed_args(arguments)
    return guarded(
        lambda: _prepare(options),
        ConfigError,
        OSError,
        RunError,
        interrupted="Interrupted. Run the same command to go on.",
    )


def _prepare(options: argparse.Namespace) -> int:
    from programs.tasks import TasksError
    from training.fitting.tokenizers import learned_tokenizers
    from training.recipes.config import CorpusConfig
    from training.shards.manifest import Cleaning, Settings
    from training.shards.preparation import Workers, prepare

    config = config_of(options)
    data = config.data
    if not isinstance(data, CorpusConfig) or data.train is None or data.train.shards is not None:
        shards = data.train.shards if isinstance(data, CorpusConfig) and data.train else None
        raise ConfigError(
            "Key `data.train` must name files of text: source and target, or tsv. "
            f"Received: data.task={data.task}, data.train.shards={shards}"
        )
    ratio = options.most_ratio
    if ratio is not None and not ratio >= 1:
        raise ConfigError(f"--most-ratio must be at least 1. Received: {ratio}")
    cleaning = Cleaning(options.drop_repeated, options.drop_equal, ratio)
    settings = Settings(data, config.text, cleaning, options.shard_pairs, options.sample)
    workers = Workers(options.workers, options.ray)

    def learn(pairs: Sequence[Pair]) -> Tokenizers:
        sources, targets = zip(*pairs, strict=True)
        return learned_tokenizers(config.text, sources, targets)

    try:
        manifest = prepare(data.train, settings, options.out, learn, workers)
    except TasksError as error:
        raise RunError(f"{error} Run the same command to go on.") from error
    print(
        f"{manifest.pairs:,} pairs in {len(manifest.shards):,} shards. Train: python -m "
        f"training.train --recipe {options.recipe} data.train.shards={options.out} --out RUN"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
