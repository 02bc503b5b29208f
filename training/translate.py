"""Translate lines: `python -m training.translate RUN < input > output`.

Writes one line per input line, in order; an empty line stays empty. If a line cannot be translated,
because it is not UTF-8 text or has too many tokens, the program reports its number, writes nothing
and ends with status 2. With `--on-problem empty`, it reports each such line, leaves the line empty,
translates the others, and ends with status 3.

Translations are written as they are, for other programs; only in a terminal, which would obey them,
control characters that a model writes are shown as escapes. If it takes longer than ten seconds,
the program tells on standard error how far it is.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from programs.library import stored, without_keras
from programs.lines import (
    ON_PROBLEM,
    SOME_EMPTY,
    Input,
    check_problems,
    doubts,
    left_empty,
    read_input,
    rows_of,
)
from programs.progress import Progress
from training.options import add_runs, add_search, check_attention, translator_of
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention import Translator
    from keras_attention.text import Translation

_NAME = "Standard input"
_LINES = 1000


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
        choices=ON_PROBLEM,
        default="error",
        help="what to do with a line that cannot be translated (error)",
    )
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options), OSError, ValueError, runs=options.run)


def _run(options: argparse.Namespace) -> int:
    translator = translator_of(options, *options.run)
    if options.alignments is not None:
        check_attention(translator)
    count = options.n_best
    if count is not None and not 1 <= count <= translator.search.width:
        raise ValueError(
            "--n-best must be at least 1 and at most the beam width (--beam-width). "
            f"Received: --n-best {count}, a beam width of {translator.search.width}"
        )
    texts, ids, problems = _read(translator)
    if options.on_problem == "error":
        check_problems(problems, _NAME)
    for warning in left_empty(problems):
        print(f"warning: {warning}", file=sys.stderr)
    results = _translated(translator, texts)
    for number in problems:
        results[number - 1] = replace(results[number - 1], score=-math.inf)
    if options.alignments is not None:
        _align(translator, texts, results, options.alignments)
    each = ([best, *best.others] for best in results)
    found = [row for line, group in enumerate(each) for row in rows_of(line, group, count)]
    if sys.stdout.isatty():
        found = [stored().printable(row) for row in found]
    sys.stdout.buffer.write("".join(f"{row}\n" for row in found).encode())
    for number, (row, result) in enumerate(zip(ids, results, strict=True), start=1):
        for warning in doubts(number, row, result.is_complete):
            print(f"warning: {warning}", file=sys.stderr)
    return SOME_EMPTY if problems else 0


def _read(translator: Translator) -> Input:
    rows = without_keras("text/lines").raw_lines(sys.stdin.buffer, _NAME)
    return read_input(rows, translator.source_tokenizer.encode, translator.max_source_length)


def _translated(translator: Translator, texts: Sequence[str]) -> list[Translation]:
    progress = Progress()
    results: list[Translation] = []
    for start in range(0, len(texts), _LINES):
        part = translator(texts[start : start + _LINES])
        results += part
        progress.add(len(part))
    progress.end()
    return results


def _align(
    translator: Translator, lines: Sequence[str], results: Sequence[Translation], out: Path
) -> None:
    from programs.word_alignments import align_translation, text_tokens, write_alignments

    sources = text_tokens(translator.source_tokenizer.model, lines)
    pairs = zip(results, sources, strict=True)
    write_alignments(out, (align_translation(r.attention, r.tokens, s) for r, s in pairs))


if __name__ == "__main__":
    sys.exit(main())
