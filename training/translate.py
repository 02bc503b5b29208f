"""Translate lines: `python -m training.translate RUN < input > output`.

Writes one line per input line, in order; an empty line stays empty. If the model cannot translate a
line, the program reports its number and writes nothing.
"""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.options import add_runs, add_search, check_attention, translator_of
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention import Translator
    from keras_attention.text import Translation


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
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options), OSError, ValueError)


def _run(options: argparse.Namespace) -> int:
    from keras_attention.ids import UNKNOWN_ID

    translator = translator_of(options, *options.run)
    if options.alignments is not None:
        check_attention(translator)
    count = options.n_best
    if count is not None and not 1 <= count <= translator.search.width:
        raise ValueError(
            "--n-best must be at least 1 and at most the beam width (--beam-width). "
            f"Received: --n-best {count}, a beam width of {translator.search.width}"
        )
    lines = decoded_lines(sys.stdin.buffer.read())
    results = translator(lines)
    if options.alignments is not None:
        _align(translator, lines, results, options.alignments)
    rows = (one_line(r.text) for r in results) if count is None else n_best(results, count)
    sys.stdout.buffer.write("".join(f"{row}\n" for row in rows).encode())
    for number, (ids, result) in enumerate(zip(translator.encode(lines), results, strict=True), 1):
        unknown = ids.count(UNKNOWN_ID)
        if unknown:
            what = f"{unknown} of its {len(ids) - 1} tokens are unknown to the model"
            print(f"warning: line {number}: {what}", file=sys.stderr)
        if not result.is_complete:
            print(f"warning: line {number}: cut off at the maximum length", file=sys.stderr)
    return 0


def decoded_lines(data: bytes) -> list[str]:
    """Return the lines of UTF-8 text, without line endings.

    Raises:
        ValueError: If a line is not UTF-8; the message contains its number.
    """
    rows = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not rows[-1]:
        rows.pop()
    lines = []
    for number, row in enumerate(rows, start=1):
        try:
            lines.append(row.decode("utf-8").removesuffix("\r"))
        except UnicodeDecodeError as error:
            raise ValueError(f"Line {number} is not UTF-8: {error.reason}") from error
    return lines


def n_best(results: Sequence[Translation], count: int) -> Iterator[str]:
    """Yield up to `count` rows "LINE ||| TEXT ||| SCORE" for each line, best first."""
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
