"""Translate a shard: a file of a folder. Processes and Ray call these functions."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from export.bulk.files import encoded, reading, writing
from export.bulk.parts import Translator, check
from export.bulk.settings import Settings
from export.bulk.tokenizers import Tokenizers
from programs.lines import left_empty


@dataclass(frozen=True)
class Shard:
    """A file to translate.

    Attributes:
        settings: What makes the translations.
        source: The file.
        out: Its translations.
        alignments: The file for its word alignments, or None.
    """

    settings: Settings
    source: Path
    out: Path
    alignments: Path | None

    def files(self) -> list[Path]:
        """Return the files that the shard is translated to."""
        return [self.out] if self.alignments is None else [self.alignments, self.out]


@dataclass(frozen=True)
class Report:
    """What is said of a translated shard.

    Attributes:
        lines: The number of its lines.
        empty: The number of lines that were left empty.
        warnings: What to say of them.
    """

    lines: int
    empty: int
    warnings: tuple[str, ...]


def check_shard(shard: Shard) -> None:
    """Raise `ValueError` if a line of a shard cannot be translated."""
    with reading(shard.source) as stream:
        check(stream, str(shard.source), _tokenizers(shard.settings))


def translate_shard(shard: Shard) -> Report:
    """Translate a shard; its translations come last, so that they mark it as finished.

    Raises:
        ValueError: If a line cannot be translated, unless such lines are to be left empty.
    """
    counts: Counter[str] = Counter()
    warnings: list[str] = []
    translate = _translator(shard.settings, shard.alignments is not None)
    with ExitStack() as opened:
        stream = opened.enter_context(reading(shard.source))
        written = opened.enter_context(writing(shard.out))
        place = shard.alignments
        aligned = None if place is None else opened.enter_context(writing(place))
        for part in translate(stream, str(shard.source)):
            written.write(encoded(part.rows))
            if aligned is not None:
                aligned.write(encoded(part.alignments))
            warnings += (f"{shard.source}, {text}" for text in left_empty(part.problems))
            counts.update(
                lines=part.lines, empty=len(part.problems), unknown=part.unknown, cut=part.cut
            )
    warnings += _summary(shard.source, counts)
    return Report(counts["lines"], counts["empty"], tuple(warnings))


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
def _tokenizers(settings: Settings) -> Tokenizers:
    return Tokenizers(settings.export, settings.threads)


@lru_cache(maxsize=1)
def _translator(settings: Settings, alignments: bool) -> Translator:
    return Translator(settings, _tokenizers(settings), alignments)
