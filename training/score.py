"""Score given translations: `python -m training.score RUN --source FILE --target FILE`.

Prints a line LOG-PROBABILITY TAB TOKENS TAB LOG-PROBABILITY PER TOKEN for each pair, in nats and
including the end token, in the order of the files. The total perplexity goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from programs.scores import PairScore, ScoreSummary
from training.options import add_test_set, check_attention, loaded, test_pairs
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention import Translator
    from keras_attention.text import ScoredPair
    from training.corpora.pairs import Pair


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("--json", action="store_true", help="print summary and scores as JSON")
    parser.add_argument(
        "--alignments",
        type=Path,
        metavar="FILE",
        help='write word alignments of the pairs as "0-0 1-2", source-target from 0',
    )
    add_test_set(parser)
    options = parser.parse_args(arguments)
    return guarded(lambda: _score(options), OSError, ValueError, runs=[options.run])


def _score(options: argparse.Namespace) -> int:
    pairs = test_pairs(options, options.run)
    translator = loaded(options.run)
    if options.alignments is not None:
        check_attention(translator)
    scores = translator.score([source for source, _ in pairs], [target for _, target in pairs])
    if options.alignments is not None:
        _align(translator, pairs, scores, options.alignments)
    rows = [PairScore(score.log_probability, len(score.tokens)) for score in scores]
    summary = ScoreSummary.of(rows)
    if options.json:
        whole = {**asdict(summary), "perplexity": summary.perplexity}
        print(json.dumps({**whole, "scores": [row._asdict() for row in rows]}))
        return 0
    for row in rows:
        print(row)
    print(summary, file=sys.stderr)
    return 0


def _align(
    translator: Translator, pairs: Sequence[Pair], scores: Sequence[ScoredPair], out: Path
) -> None:
    from programs.word_alignments import (
        align_words,
        text_tokens,
        weights_of,
        write_alignments,
    )

    sources = text_tokens(translator.source_tokenizer.model, [source for source, _ in pairs])
    targets = text_tokens(translator.target_tokenizer.model, [target for _, target in pairs])
    rows = zip(scores, targets, sources, strict=True)
    write_alignments(out, (align_words(weights_of(s.attention), t, x) for s, t, x in rows))


if __name__ == "__main__":
    sys.exit(main())
