"""Evaluate a run on its held-out pairs: `python -m training.evaluate RUN`.

For another test set, add `--source FILE --target FILE` or `--tsv FILE`. A source that occurs
several times counts as one source with several references.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.options import (
    add_runs,
    add_search,
    add_test_set,
    count,
    names_test_set,
    test_pairs,
    translator_of,
)
from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_runs(parser)
    parser.add_argument(
        "--pairs",
        type=count,
        help="number of pairs (default: all; 10,000 for dates, which are generated)",
    )
    parser.add_argument(
        "--report",
        choices=("translation", "answers"),
        help="BLEU and chrF, or sequence and token error rate (default: as the run was judged)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the translations, one line per pair"
    )
    add_search(parser)
    add_test_set(parser)
    options = parser.parse_args(arguments)
    return guarded(lambda: _evaluate(options), OSError, ValueError, runs=options.run)


def _evaluate(options: argparse.Namespace) -> int:
    from keras_attention import RunDirectory
    from training.recipes.config import DatesConfig
    from training.recipes.reading import config_from

    run = RunDirectory(options.run[0]).require_complete()
    data = config_from(run.config()).data
    makes_its_own = isinstance(data, DatesConfig) and not names_test_set(options)
    if makes_its_own:
        report = _evaluate_dates(options, data)
    else:
        from training.evaluation.metrics import OF_TRANSLATIONS

        judged = "translation" if data.metric in OF_TRANSLATIONS else "answers"
        report = _evaluate_pairs(options, options.report or judged)
    print(json.dumps(dataclasses.asdict(report)) if options.json else report)
    return 0


def _evaluate_dates(options: argparse.Namespace, data: Any) -> Any:
    """Evaluate exact match on generated dates."""
    from training.fitting.tasks import Dates

    if options.out is not None:
        raise ValueError("--out requires a test set: --source and --target, or --tsv.")
    return Dates(data).evaluate(translator_of(options, *options.run), options.pairs or 10_000)


def _evaluate_pairs(options: argparse.Namespace, kind: str) -> Any:
    """Evaluate on a test set: BLEU and chrF, or what is right and wrong."""
    from programs.lines import one_line
    from training.evaluation.answers import report_answers
    from training.evaluation.translation import references_by_source, report_translation

    every = test_pairs(options, options.run[0])
    pairs = every[: options.pairs]
    if len(pairs) < len(every):
        print(f"warning: only the first {len(pairs):,} of {len(every):,} pairs", file=sys.stderr)
    translator = translator_of(options, *options.run)
    translator.encode([source for source, _ in pairs])  # raises an error that names the line
    targets = references_by_source(pairs)
    results = translator(list(targets))
    if options.out is not None:
        texts = {source: one_line(r.text) for source, r in zip(targets, results, strict=True)}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{texts[source]}\n" for source, _ in pairs)
        options.out.write_text(lines, encoding="utf-8")
    if not any(r.text for r in results):
        print("note: all outputs are empty: the model is undertrained.", file=sys.stderr)
    if kind == "answers":
        return report_answers(targets, results, translator.search)
    report = report_translation(targets, results, translator.search)
    _note_on(report, results, translator)
    return report


def _note_on(report: Any, results: Any, translator: Any) -> None:
    """Say which of the scores mean something."""
    writes_lower_case = translator.target_tokenizer.normalize(["A"]) == ["a"]
    if writes_lower_case and report.chrf.score != report.chrf_lowercase.score:
        print("note: the model writes lower case: use the lower-cased scores.", file=sys.stderr)
    has_no_four = any(r.text for r in results) and all(len(r.text.split()) < 4 for r in results)
    if has_no_four and not report.bleu_lowercase.score:
        print(
            "note: BLEU counts sequences of four words, and no output has four: use chrF instead, "
            "or data.metric=exact_match in the training.",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
