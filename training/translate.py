"""Translate lines: `python -m training.translate RUN < input > output`.

Writes one line per input line, in order; an empty line stays empty. If a line cannot be translated,
because it is not UTF-8 text or has too many tokens, the program reports its number, writes nothing
and ends with status 2. With `--on-problem empty`, it reports each such line, leaves the line empty,
translates the others, and ends with status 3.

Translations are written as they are, for other programs; only in a terminal, which would obey them,
control characters that a model writes are shown as escapes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from training.options import add_runs, add_search, check_attention, translator_of
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention import Translator
    from keras_attention.text import Translation

SOME_EMPTY = 3
"""The exit status if lines were left empty because they cannot be translated."""
_NAME = "Standard input"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.translate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_runs(parser)
    add_search(parser)
    parser.add_argument(
        "--n-best",
        type=int,
        metavar="N",
        help='write N translations of each line as "LINE ||| TEXT ||| SCORE", LINE from 0',
    )
    parser.add_argument(
        "--alignments",
        type=Path,
        metavar="FILE",
        help='write word alignments of the best translations as "0-0 1-2", source-target from 0',
    )
    parser.add_argument(
        "--on-problem",
        choices=("error", "empty"),
        default="error",
        help="what to do with a line that cannot be translated (error)",
    )
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options), OSError, ValueError, runs=options.run)


def _run(options: argparse.Namespace) -> int:
    from keras_attention.ids import UNKNOWN_ID
    from keras_attention.stored import printable

    translator = translator_of(options, *options.run)
    if options.alignments is not None:
        check_attention(translator)
    count = options.n_best
    if count is not None and not 1 <= count <= translator.search.width:
        raise ValueError(
            "--n-best must be at least 1 and at most the beam width (--beam-width). "
            f"Received: --n-best {count}, a beam width of {translator.search.width}"
        )
    texts, ids, problems = read_input(sys.stdin.buffer, translator)
    for number, problem in problems.items():
        if options.on_problem == "error":
            advice = "use --on-problem empty to leave such lines empty"
            raise ValueError(f"{_NAME}, line {number} {problem} ({advice})")
        print(f"warning: line {number}: left empty: it {problem}", file=sys.stderr)
    results = translator(texts)
    for number in problems:
        results[number - 1] = replace(results[number - 1], score=-math.inf)
    if options.alignments is not None:
        _align(translator, texts, results, options.alignments)
    rows = (one_line(r.text) for r in results) if count is None else n_best(results, count)
    if sys.stdout.isatty():
        rows = map(printable, rows)
    sys.stdout.buffer.write("".join(f"{row}\n" for row in rows).encode())
    for number, (row, result) in enumerate(zip(ids, results, strict=True), start=1):
        unknown = row.count(UNKNOWN_ID)
        if unknown:
            what = f"{unknown} of its {len(row)} tokens are unknown to the model"
            print(f"warning: line {number}: {what}", file=sys.stderr)
        if not result.is_complete:
            print(f"warning: line {number}: cut off at the maximum length", file=sys.stderr)
    return SOME_EMPTY if problems else 0


class Input(NamedTuple):
    """The lines to translate.

    Attributes:
        texts: A text for each line; it is empty for a line that cannot be translated.
        ids: The source tokens of each text, without the end token.
        problems: Why lines cannot be translated, by line number from 1; continues "line 3 ...".
    """

    texts: list[str]
    ids: list[list[int]]
    problems: dict[int, str]


def read_input(stream: Iterable[bytes], translator: Translator) -> Input:
    """Read the lines to translate, and find those that are not text or have too many tokens.

    Raises:
        ValueError: If the text is UTF-16 or UTF-32.
    """
    from keras_attention.text.lines import LineError, decoded, raw_lines

    texts: list[str] = []
    problems: dict[int, str] = {}
    for number, row in enumerate(raw_lines(stream, _NAME), start=1):
        try:
            texts.append(decoded(row))
        except LineError as error:
            texts.append("")
            problems[number] = str(error)
    ids = translator.source_tokenizer.encode(texts)
    limit = translator.max_source_length
    for number, tokens in enumerate(ids, start=1):
        count = len(tokens) + 1
        if count > limit:
            what = f"has {count} tokens including the end token, but the model takes {limit}"
            problems[number] = what
            texts[number - 1], ids[number - 1] = "", []
    return Input(texts, ids, dict(sorted(problems.items())))


def n_best(results: Sequence[Translation], count: int) -> Iterator[str]:
    """Yield up to `count` rows "LINE ||| TEXT ||| SCORE" for each line, best first.

    A line that cannot be translated has one row, with no text and the score -inf.
    """
    for line, best in enumerate(results):
        for hypothesis in [best, *best.others][:count]:
            yield f"{line} ||| {one_line(hypothesis.text)} ||| {hypothesis.score:.6f}"


def one_line(text: str) -> str:
    """Replace line endings, which a model with byte tokens can produce, by spaces."""
    return text.replace("\r", " ").replace("\n", " ")


def _align(
    translator: Translator, lines: Sequence[str], results: Sequence[Translation], out: Path
) -> None:
    from training.evaluation.word_alignments import align_translation, text_tokens, write_alignments

    sources = text_tokens(translator.source_tokenizer, lines)
    pairs = zip(results, sources, strict=True)
    write_alignments(out, (align_translation(*pair) for pair in pairs))


if __name__ == "__main__":
    sys.exit(main())
