"""Train a model: `python -m training.train --recipe NAME|FILE.yaml [key=value ...] --out RUN`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from training.options import add_recipe, config_of
from training.program import RESUME, ConfigError, RunError, guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    add_recipe(parser)
    parser.add_argument("--out", required=True, help="the run directory; an existing run resumes")
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
    from training.fitting.loop import train

    train(config_of(options), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
