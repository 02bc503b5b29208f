"""Pairs of a written date and its ISO form, without end, lazily and reproducibly.

Training, development and test sets have no calendar date in common. Where a date belongs is a
keyed hash of the date and depends on nothing else: not on a seed, a process or a Python version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from itertools import count as count_up
from random import Random

from training.dates.locales import LOCALES
from training.dates.patterns import FIRST_YEAR, LAST_YEAR, DateIndex, Template, templates

FIRST_DAY = date(FIRST_YEAR, 1, 1)
LAST_DAY = date(LAST_YEAR, 12, 31)

SPLITS = ("train", "dev", "test")
ISO_ORDER = "ymd"
LOWER_CASE_SHARE = 0.25

_SPLIT_KEY = b"dates: held out by calendar date"
_TEST_SHARE = 0.10
_DEV_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class DateExample:
    """A written date and its ISO form.

    Attributes:
        source: the text, in NFKC with single plain spaces.
        target: the date as YYYY-MM-DD, or its parts in the order of `order`.
        locale: the language of the text, one of `LOCALES` (not part of the model's input).
        fields: one letter for each character of `source`: `d` day (an ordinal's suffix belongs to
            it), `m` month, `y` year, `w` weekday, `-` everything between, before and after them.
        order: the letters of the target's parts, as they follow each other.
    """

    source: str
    target: str
    locale: str
    fields: str
    order: str = ISO_ORDER

    def in_source_order(self) -> DateExample:
        """The same date, its target's parts in the order of the source: a monotonic task."""
        parts = dict(zip(self.order, self.target.split("-"), strict=True))
        order = "".join(sorted(parts, key=self.fields.index))
        target = "-".join(parts[letter] for letter in order)
        return replace(self, target=target, order=order)


def split_of(day: date) -> str:
    """The set that a calendar date belongs to: 85 % train, 5 % dev, 10 % test."""
    digest = hashlib.blake2b(day.isoformat().encode(), digest_size=8, key=_SPLIT_KEY).digest()
    share = int.from_bytes(digest, "big") / 2**64
    if share < _TEST_SHARE:
        return "test"
    return "dev" if share < _TEST_SHARE + _DEV_SHARE else "train"


def _index(day: date) -> DateIndex:
    return (day.year - FIRST_YEAR, day.month - 1, day.day - 1, day.weekday(), 0)


@cache
def _calendar() -> dict[str, list[tuple[DateIndex, str]]]:
    """The dates of each set as template indices and ISO text, in order."""
    days = (FIRST_DAY + timedelta(n) for n in range((LAST_DAY - FIRST_DAY).days + 1))
    calendar: dict[str, list[tuple[DateIndex, str]]] = {split: [] for split in SPLITS}
    for day in days:
        calendar[split_of(day)].append((_index(day), day.isoformat()))
    return calendar


@cache
def _forms(locale: str) -> tuple[tuple[Template, Template], ...]:
    return tuple((template, template.lower()) for template in templates(locale))


def _check(split: str, count: int | None, locales: Sequence[str]) -> None:
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    if count is not None and count < 0:
        raise ValueError(f"`count` must be None or at least 0. Received: count={count}")
    unknown = [locale for locale in locales if locale not in LOCALES]
    if isinstance(locales, str) or unknown or not locales:
        raise ValueError(
            f"`locales` must be a sequence of some of {LOCALES}. Received: locales={locales!r}"
        )


def generate(
    split: str, count: int | None, seed: int, locales: Sequence[str] = LOCALES
) -> Iterator[DateExample]:
    """Draw examples of one set: locale, pattern and calendar date each uniformly, with repetition.

    One example in four is in lower case throughout. The same arguments give the same examples in
    every process and Python version; another release of Babel may bring other patterns.

    Args:
        split: "train", "dev" or "test".
        count: how many, or None for no end.
        seed: which stream of examples; the held-out dates do not depend on it.
        locales: some of `LOCALES`.

    Returns:
        An iterator over `DateExample`.

    Raises:
        ValueError: for an unknown set or locale, or a negative count.
    """
    _check(split, count, locales)
    return _draw(split, count, seed, tuple(locales))


def _draw(
    split: str, count: int | None, seed: int, locales: tuple[str, ...]
) -> Iterator[DateExample]:
    days = _calendar()[split]
    forms = [(locale, _forms(locale)) for locale in locales]
    stream = hashlib.blake2b(f"{split}:{seed}".encode(), digest_size=8).digest()
    # Of Random only `random` is promised to give the same numbers in every Python version.
    uniform = Random(int.from_bytes(stream, "big")).random
    for _ in count_up() if count is None else range(count):
        locale, pairs = forms[int(uniform() * len(forms))]
        pair = pairs[int(uniform() * len(pairs))]
        index, target = days[int(uniform() * len(days))]
        source, fields = pair[uniform() < LOWER_CASE_SHARE].render(index)
        yield DateExample(source, target, locale, fields)


def variants(day: date, locales: Sequence[str] = LOCALES) -> Iterator[DateExample]:
    """Every way in which one calendar date can be written, pattern by pattern.

    Raises:
        ValueError: if the date is outside 1900 to 2100.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(
            f"`day` must lie between {FIRST_DAY} and {LAST_DAY}. Received: day={day.isoformat()}"
        )
    index, target = _index(day), day.isoformat()
    for locale in locales:
        for pair in _forms(locale):
            for template in pair:
                source, fields = template.render(index)
                yield DateExample(source, target, locale, fields)
