"""Score given translations: `python -m training.score RUN --source FILE --target FILE`.

Prints a line LOG-PROBABILITY TAB TOKENS TAB LOG-PROBABILITY PER TOKEN for each pair, in nats and
including the end token, in the order of the files. The total perplexity goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.options import add_test_set, check_attention, loaded, test_pairs
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention import Translator
    from keras_attention.text import ScoredPair
    from training.corpora.pairs import Pair


@dataclass(frozen=True)
class ScoreSummary:
    """The likelihood of all pairs.

    Attributes:
        pairs: The number of pairs.
        tokens: The number of target tokens, including end tokens.
        log_probability: The sum over all pairs, in nats.
        perplexity: `exp(-log_probability / tokens)`.
    """

    pairs: int
    tokens: int
    log_probability: float
    perplexity: float

    @classmethod
    def of(cls, scores: Sequence[ScoredPair]) -> ScoreSummary:
        """Summarize scores, of which there must be at least one."""
        tokens = sum(len(score.tokens) for score in scores)
        total = math.fsum(score.log_probability for score in scores)
        mean = -total / tokens
        return cls(len(scores), tokens, total, math.exp(mean) if mean < 700 else math.inf)

    def __str__(self) -> str:
        return f"{self.pairs:,} pairs, {self.tokens:,} tokens, perplexity {self.perplexity:.3f}"


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
    summary = ScoreSummary.of(scores)
    rows = [(score.log_probability, len(score.tokens)) for score in scores]
    if options.json:
        each = [{"log_probability": total, "tokens": tokens} for total, tokens in rows]
        print(json.dumps({**asdict(summary), "scores": each}))
        return 0
    for total, tokens in rows:
        print(f"{total:.6f}\t{tokens}\t{total / tokens:.6f}")
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
