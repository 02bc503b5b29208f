"""Generate endless pairs of a written date and its ISO form, lazily and reproducibly.

Training, dev and test sets have no calendar date in common. The set of a date is determined by a
keyed hash of the date alone, independent of seed, process and Python version.
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
        source: The text, in NFKC with single plain spaces.
        target: The date as YYYY-MM-DD, or with its parts in the order given by `order`.
        locale: The language of the text, one of `LOCALES`; not part of the model's input.
        fields: One letter for each character of `source`: `d` for the day including an ordinal
            suffix, `m` for the month, `y` for the year, `w` for the weekday, `-` for all else.
        order: The letters of the target's parts, in order.
    """

    source: str
    target: str
    locale: str
    fields: str
    order: str = ISO_ORDER

    def in_source_order(self) -> DateExample:
        """Return the same date with the target in the order of the source, a monotonic task."""
        parts = dict(zip(self.order, self.target.split("-"), strict=True))
        order = "".join(sorted(parts, key=self.fields.index))
        target = "-".join(parts[letter] for letter in order)
        return replace(self, target=target, order=order)


def split_of(day: date) -> str:
    """Return the set of a calendar date: train (85 %), dev (5 %) or test (10 %)."""
    digest = hashlib.blake2b(day.isoformat().encode(), digest_size=8, key=_SPLIT_KEY).digest()
    share = int.from_bytes(digest, "big") / 2**64
    if share < _TEST_SHARE:
        return "test"
    return "dev" if share < _TEST_SHARE + _DEV_SHARE else "train"


def _index(day: date) -> DateIndex:
    return (day.year - FIRST_YEAR, day.month - 1, day.day - 1, day.weekday(), 0)


@cache
def _calendar() -> dict[str, list[tuple[DateIndex, str]]]:
    """Return the dates of each set as template indices and ISO text, in order."""
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
        raise ValueError(f"Argument `split` must be one of {SPLITS}. Received: split={split!r}")
    if count is not None and count < 0:
        raise ValueError(f"Argument `count` must be None or at least 0. Received: count={count}")
    unknown = [locale for locale in locales if locale not in LOCALES]
    if isinstance(locales, str) or unknown or not locales:
        raise ValueError(
            f"Argument `locales` must be a non-empty subset of {LOCALES}. "
            f"Received: locales={locales!r}"
        )


def generate(
    split: str, count: int | None, seed: int, locales: Sequence[str] = LOCALES
) -> Iterator[DateExample]:
    """Draw examples of one set: locale, pattern and date uniformly, with replacement.

    One example in four is entirely in lower case. The same arguments give the same examples in
    every process and Python version; another release of Babel may have different patterns.

    Args:
        split: `"train"`, `"dev"` or `"test"`.
        count: The number of examples, or None for an endless iterator.
        seed: The seed for drawing; the held-out dates do not depend on it.
        locales: A subset of `LOCALES`.

    Returns:
        An iterator over `DateExample`.

    Raises:
        ValueError: If the split or a locale is unknown, or `count` is negative.
    """
    _check(split, count, locales)
    return _draw(split, count, seed, tuple(locales))


def _draw(
    split: str, count: int | None, seed: int, locales: tuple[str, ...]
) -> Iterator[DateExample]:
    days = _calendar()[split]
    forms = [(locale, _forms(locale)) for locale in locales]
    stream = hashlib.blake2b(f"{split}:{seed}".encode(), digest_size=8).digest()
    # Only `Random.random` is guaranteed to return the same numbers in every Python version.
    uniform = Random(int.from_bytes(stream, "big")).random
    for _ in count_up() if count is None else range(count):
        locale, pairs = forms[int(uniform() * len(forms))]
        pair = pairs[int(uniform() * len(pairs))]
        index, target = days[int(uniform() * len(days))]
        source, fields = pair[uniform() < LOWER_CASE_SHARE].render(index)
        yield DateExample(source, target, locale, fields)


def variants(day: date, locales: Sequence[str] = LOCALES) -> Iterator[DateExample]:
    """Yield every written form of one calendar date, pattern by pattern.

    Raises:
        ValueError: If the year is not between 1900 and 2100.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(
            f"Argument `day` must be between {FIRST_DAY} and {LAST_DAY}. "
            f"Received: day={day.isoformat()}"
        )
    index, target = _index(day), day.isoformat()
    for locale in locales:
        for pair in _forms(locale):
            for template in pair:
                source, fields = template.render(index)
                yield DateExample(source, target, locale, fields)
