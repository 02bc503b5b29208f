"""Evaluate a run on pairs that training never saw: `python -m training.evaluate RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("run", help="a run directory")
    parser.add_argument("--pairs", type=_count, default=10_000, help="how many held-out pairs")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(arguments)
    return guarded(lambda: _evaluate(options), OSError, ValueError)


def _evaluate(options: argparse.Namespace) -> int:
    from keras_attention import Translator
    from keras_attention.runs import RunDirectory
    from training.config import config_from
    from training.tasks import task_of

    translator = Translator.from_run(options.run)
    config = config_from(RunDirectory(options.run).config())
    report = task_of(config.data).evaluate(translator, options.pairs)
    print(json.dumps(dataclasses.asdict(report)) if options.json else report)
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number. Received: {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
