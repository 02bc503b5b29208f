"""Evaluate a run on pairs that training never saw: `python -m training.evaluate RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("run", help="a run directory")
    parser.add_argument("--pairs", type=int, default=10_000, help="how many held-out pairs")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(arguments)

    from keras_attention import Translator
    from training.config import config_from
    from training.tasks import task_of

    try:
        translator = Translator.from_run(options.run)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    config = config_from(_config(options.run))
    report = task_of(config.data).evaluate(translator, options.pairs)
    print(json.dumps(dataclasses.asdict(report)) if options.json else report)
    return 0


def _config(run: str) -> dict[str, object]:
    from keras_attention.runs import RunDirectory

    return RunDirectory(run).config()


if __name__ == "__main__":
    sys.exit(main())
