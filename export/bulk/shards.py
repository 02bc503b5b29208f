"""Translate or score a shard: a file of a folder. Processes and Ray call these functions."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from export.bulk.files import encoded, reading, writing
from export.bulk.parts import Task
from export.bulk.reading import Reader
from export.bulk.settings import Settings
from export.bulk.tasks import task_of
from programs.lines import left_empty
from programs.scores import ScoreSummary


@dataclass(frozen=True)
class Shard:
    """A file to translate or to score.

    Attributes:
        settings: What makes the output.
        source: The file.
        out: Its translations or scores.
        alignments: The file for its word alignments, or None.
    """

    settings: Settings
    source: Path
    out: Path
    alignments: Path | None

    def files(self) -> list[Path]:
        """Return the files that are made of the shard."""
        return [self.out] if self.alignments is None else [self.alignments, self.out]


@dataclass(frozen=True)
class Report:
    """What is said of a finished shard.

    Attributes:
        lines: The number of its lines.
        empty: The number of lines that were left empty.
        warnings: What to say of them.
        scored: The likelihood of its pairs, where pairs are scored.
    """

    lines: int
    empty: int
    warnings: tuple[str, ...]
    scored: ScoreSummary


def check_shard(shard: Shard) -> None:
    """Raise `ValueError` if a line of a shard has a problem."""
    with reading(shard.source) as stream:
        _reader(shard.settings).check(stream, str(shard.source))


def finish_shard(shard: Shard) -> Report:
    """Translate or score a shard; its main file comes last, so that it marks the shard as finished.

    Raises:
        ValueError: If a line has a problem, unless such lines are to be left empty.
    """
    counts: Counter[str] = Counter()
    warnings: list[str] = []
    scored = ScoreSummary()
    read = _reader(shard.settings)
    task = _task(shard.settings, shard.alignments is not None)
    with ExitStack() as opened:
        stream = opened.enter_context(reading(shard.source))
        written = opened.enter_context(writing(shard.out))
        place = shard.alignments
        aligned = None if place is None else opened.enter_context(writing(place))
        for lines in read(stream, str(shard.source)):
            part = task(lines, int)
            written.write(encoded(part.rows))
            if aligned is not None:
                aligned.write(encoded(part.alignments))
            warnings += (f"{shard.source}, {text}" for text in left_empty(part.problems))
            counts.update(
                lines=part.lines, empty=len(part.problems), unknown=part.unknown, cut=part.cut
            )
            scored += part.scored
    warnings += _summary(shard.source, counts)
    return Report(counts["lines"], counts["empty"], tuple(warnings), scored)


def _summary(source: Path, counts: Counter[str]) -> list[str]:
    said = [
        f"{counts[name]} of {counts['lines']} lines {what}"
        for name, what in (
            ("unknown", "have tokens that are unknown to the model"),
            ("cut", "were cut off at the maximum length"),
        )
        if counts[name]
    ]
    return [f"{source}: {', '.join(said)}"] if said else []


@lru_cache(maxsize=1)
def _reader(settings: Settings) -> Reader:
    return Reader(settings)


@lru_cache(maxsize=1)
def _task(settings: Settings, alignments: bool) -> Task:
    return task_of(settings, _reader(settings).tokenizers, alignments)
