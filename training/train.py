"""Train a model: `python -m training.train --recipe NAME|FILE.yaml [key=value ...] --out RUN`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from training.program import RESUME, ConfigError, RunError, guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument(
        "--recipe", required=True, help="a name in training/recipes, or a YAML file"
    )
    parser.add_argument("--out", required=True, help="the run directory; an existing run resumes")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="the folder with corpora that are not in the current directory (default: the "
        "environment variable KERAS_ATTENTION_DATA, else data/)",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for example training.batch_size=32"
    )
    options = parser.parse_intermixed_args(arguments)

    return guarded(
        lambda: _train(options),
        ConfigError,
        OSError,
        RunError,
        runs=[options.out],
        interrupted=f"Interrupted. {RESUME}",
    )


def _train(options: argparse.Namespace) -> int:
    from training.corpora.files import use_data_folder
    from training.fitting.loop import train
    from training.recipes.reading import load_config

    if options.data is not None:
        use_data_folder(options.data)
    train(load_config(options.recipe, options.overrides), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
