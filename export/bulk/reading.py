"""Read the lines of a stream as ids for the model, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from export.bulk.settings import LINES, SCORE, Settings
from export.bulk.tokenizers import END_ID, Tokenizers
from programs.library import without_keras
from programs.lines import check_problems, read_input, read_pairs


class Lines(NamedTuple):
    """Consecutive lines.

    Attributes:
        first: The number of the first.
        texts: The text of each line to translate; it is empty for a line that has a problem.
        ids: The rows of each input of the model, by its name, with their end tokens. All rows of a
            line are empty if the model is not to see it.
        problems: Why lines cannot be translated or scored, by line number.
    """

    first: int
    texts: list[str]
    ids: Mapping[str, list[list[int]]]
    problems: Mapping[int, str]


class Reader:
    """Reads lines to translate, or pairs to score.

    Args:
        settings: What is done with the lines.

    Attributes:
        tokenizers: Those of the export.
    """

    def __init__(self, settings: Settings) -> None:
        self.tokenizers = Tokenizers(settings.export, settings.threads)
        self._settings = settings

    def __call__(self, stream: Iterable[bytes], name: str) -> Iterator[Lines]:
        """Yield the lines of a stream, some thousands at a time.

        Args:
            stream: An open binary file.
            name: Its name, for error messages.

        Raises:
            ValueError: If the text is UTF-16 or UTF-32, or a line has a problem, unless such lines
                are to be left empty.
        """
        rows = without_keras("text/lines").raw_lines(stream, name)
        read = self._pairs if self._settings.function == SCORE else self._texts
        first = 1
        while part := list(islice(rows, LINES)):
            lines = read(part, first)
            if self._settings.on_problem == "error":
                check_problems(lines.problems, name)
            yield lines
            first += len(part)

    def check(self, stream: Iterable[bytes], name: str) -> None:
        """Read a stream for its errors alone."""
        for _ in self(stream, name):
            pass

    def _texts(self, rows: list[bytes], first: int) -> Lines:
        tokenizers = self.tokenizers
        texts, ids, problems = read_input(rows, tokenizers.encode, tokenizers.limit, first)
        return Lines(
            first, texts, {"source": [_ended(row) if row else [] for row in ids]}, problems
        )

    def _pairs(self, rows: list[bytes], first: int) -> Lines:
        tokenizers = self.tokenizers
        encode = tokenizers.encode, tokenizers.encode_target
        limits = tokenizers.limit, tokenizers.target_limit
        found = read_pairs(rows, encode, limits, first)
        ids = {"target": found.targets, "source": found.sources}
        ended = {
            name: [
                [] if number in found.problems else _ended(row)
                for number, row in enumerate(side, start=first)
            ]
            for name, side in ids.items()
        }
        return Lines(first, [], ended, found.problems)


def _ended(ids: list[int]) -> list[int]:
    return [*ids, END_ID]
