"""Translate lines: `python -m training.translate RUN < input > output`.

One line out for one line in, in order; an empty line gives an empty line. A line that the model
cannot take is an error with its number, before anything is written.
"""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Sequence

from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.translate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("--beam-width", type=int, help="1 is greedy; else as the run says")
    parser.add_argument("--length-penalty", type=float, help="of the beam; else as the run says")
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options), OSError, ValueError)


def _run(options: argparse.Namespace) -> int:
    texts, cut = _translate(options, decoded_lines(sys.stdin.buffer.read()))
    sys.stdout.buffer.write("".join(f"{text}\n" for text in texts).encode())
    for number in cut:
        print(f"warning: line {number}: cut at the longest output", file=sys.stderr)
    return 0


def decoded_lines(data: bytes) -> list[str]:
    """The lines of UTF-8 text, without their ends.

    Raises:
        ValueError: If a line is not UTF-8; the message gives its number.
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


def _translate(options: argparse.Namespace, lines: list[str]) -> tuple[list[str], list[int]]:
    from keras_attention import Translator
    from keras_attention.runs import RunDirectory
    from keras_attention.translator import search_from

    translator = Translator.from_run(options.run)
    given = {"beam_width": options.beam_width, "length_penalty": options.length_penalty}
    asked = {name: value for name, value in given.items() if value is not None}
    search = search_from(**{**RunDirectory(options.run).config()["search"], **asked})
    results = translator(lines, search=search)
    cut = [number for number, r in enumerate(results, start=1) if not r.is_complete]
    return [one_line(result.text) for result in results], cut


def one_line(text: str) -> str:
    """The text without line ends: a model with byte tokens can write them."""
    return text.replace("\r", " ").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
