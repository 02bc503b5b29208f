"""Train a model: `python -m training.train --recipe NAME|FILE.yaml [key=value ...] --out RUN`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--recipe", required=True, help="a name in training/recipes, or a file")
    parser.add_argument("--out", required=True, help="the run directory; if begun, it is resumed")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for example training.batch_size=32"
    )
    options = parser.parse_intermixed_args(arguments)

    from training.config import ConfigError, load_config
    from training.loop import RunError, train

    try:
        train(load_config(options.recipe, options.overrides), options.out)
    except (ConfigError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The same command resumes after the last epoch.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
