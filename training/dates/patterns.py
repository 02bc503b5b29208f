"""Compile CLDR date patterns to templates, under rules that make every string unambiguous.

The locale is not given with the source, so only forms that can be read without it are used:

1. *Numeric dates.* A numeric date that begins with the year is year-month-day; any other is
   day-month-year. Patterns in another order, such as month-day-year in the United States
   ("5/3/1979"), are skipped. A weekday next to the numbers makes no difference.
2. *Years have four digits*: CLDR's two-digit years (`yy`) are written in full.
3. *Ambiguous month names*, which mean different months in different locales, are replaced by their
   unabbreviated form. They are found in the locale data (`training.dates.names`), ignoring case and
   periods.
4. *Gregorian calendar only*: years of Japanese eras are skipped.

All texts are in Unicode's NFKC form, as the tokenizer produces ("1º" becomes "1o"), with single
plain spaces, so that each character of the source is one token of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from babel import Locale
from babel.dates import tokenize_pattern, untokenize_pattern

from training.dates.locales import (
    FREE_PATTERNS,
    LOCALES,
    ORDINAL_SUFFIXES,
    REGIONS,
    SHARED_PATTERNS,
)
from training.dates.names import conflicting_names, month_table, normalize

FIRST_YEAR = 1900
LAST_YEAR = 2100

YEAR, MONTH, DAY, WEEKDAY, LITERAL = range(5)
_LETTERS = "ymdw-"
_SLOTS = {"y": YEAR, "M": MONTH, "L": MONTH, "d": DAY, "E": WEEKDAY, "c": WEEKDAY}
_NUMERIC_ORDERS = ([YEAR, MONTH, DAY], [DAY, MONTH, YEAR])

Token = tuple[str, int]
DateIndex = tuple[int, int, int, int, int]
"""The indices of a date: year, month, day, weekday (Monday is 0), and 0 for literals."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a template: all its possible texts, and their field letters."""

    slot: int
    texts: tuple[str, ...]
    letters: tuple[str, ...]

    @classmethod
    def of(cls, slot: int, texts: Iterable[str]) -> Part:
        """Return a part with normalized texts."""
        normal = tuple(normalize(text) for text in texts)
        return cls(slot, normal, tuple(_LETTERS[slot] * len(text) for text in normal))


@dataclass(frozen=True, slots=True)
class Template:
    """A pattern of one locale, compiled to tables of strings.

    Attributes:
        locale: The language, one of `LOCALES`.
        region: The Babel locale of the names, such as "en_GB".
        pattern: The CLDR pattern; `ddd` is the ordinal day.
        parts: The fields and literals, in order.
    """

    locale: str
    region: str
    pattern: str
    parts: tuple[Part, ...]

    def lower(self) -> Template:
        """Return the template in lower case."""
        parts = (Part.of(p.slot, (text.lower() for text in p.texts)) for p in self.parts)
        return Template(self.locale, self.region, self.pattern, tuple(parts))

    def render(self, date: DateIndex) -> tuple[str, str]:
        """Return the text of a date, and one field letter for each of its characters."""
        text = "".join([part.texts[date[part.slot]] for part in self.parts])
        letters = "".join([part.letters[date[part.slot]] for part in self.parts])
        return text, letters


def _field_texts(region: str, letter: str, width: int, conflicts: frozenset[str]) -> list[str]:
    context = "stand-alone" if letter in "Lc" else "format"
    name_width = "wide" if width == 4 else "abbreviated"
    if letter == "y":
        return [str(year) for year in range(FIRST_YEAR, LAST_YEAR + 1)]
    if letter == "d" and width == 3:
        suffix = ORDINAL_SUFFIXES[Locale.parse(region).language]
        return [f"{day}{suffix(day)}" for day in range(1, 32)]
    if letter == "d":
        return [f"{day:0{width}d}" for day in range(1, 32)]
    if letter in "Ec":
        names = Locale.parse(region).days[context][name_width]
        return [names[weekday] for weekday in range(7)]
    if width <= 2:
        return [f"{month:0{width}d}" for month in range(1, 13)]
    return month_table(region, context, name_width, conflicts)


def decidable(fields: list[Token]) -> bool:
    """Return whether the (letter, width) fields form a complete, unambiguous date."""
    slots = [_SLOTS.get(letter) for letter, _ in fields]
    order = [slot for slot in slots if slot != WEEKDAY]
    if sorted(slot for slot in order if slot is not None) != [YEAR, MONTH, DAY] or None in order:
        return False
    numeric = all(width <= 2 for letter, width in fields if letter in "ML")
    return not numeric or order in _NUMERIC_ORDERS


def compile_pattern(
    locale: str, region: str, pattern: str, conflicts: frozenset[str]
) -> Template | None:
    """Compile a CLDR pattern; return None if it is incomplete or ambiguous."""
    tokens = [
        (kind, ("y", 1) if kind == "field" and value[0] == "y" else value)
        for kind, value in tokenize_pattern(pattern)
    ]
    if not decidable([value for _, value in tokens if isinstance(value, tuple)]):
        return None
    parts = [
        Part.of(LITERAL, [value])
        if isinstance(value, str)
        else Part.of(_SLOTS[value[0]], _field_texts(region, *value, conflicts))
        for _, value in tokens
    ]
    return Template(locale, region, untokenize_pattern(tokens), tuple(parts))


def _patterns(locale: str) -> Iterator[tuple[str, str]]:
    for region in REGIONS.get(locale, (locale,)):
        data = Locale.parse(region)
        for length in ("full", "long", "medium", "short"):
            yield region, data.date_formats[length].pattern
        for _, skeleton in sorted(data.datetime_skeletons.items()):
            yield region, skeleton.pattern
    for pattern in (*SHARED_PATTERNS, *FREE_PATTERNS[locale]):
        yield locale, pattern


@cache
def templates(locale: str) -> tuple[Template, ...]:
    """Return all distinct templates of a locale, in a fixed order.

    Raises:
        ValueError: If `locale` is not one of `LOCALES`.
    """
    if locale not in LOCALES:
        raise ValueError(f"Argument `locale` must be one of {LOCALES}. Received: locale={locale!r}")
    conflicts = conflicting_names(r for name in LOCALES for r in REGIONS.get(name, (name,)))
    found: dict[tuple[Part, ...], Template] = {}
    for region, pattern in _patterns(locale):
        template = compile_pattern(locale, region, pattern, conflicts)
        if template is not None:
            found.setdefault(template.parts, template)
    return tuple(found.values())


def source_characters(locales: Iterable[str] = LOCALES) -> str:
    """Return every character that can occur in a source, sorted."""
    forms = [form for locale in locales for t in templates(locale) for form in (t, t.lower())]
    return "".join(sorted({c for f in forms for part in f.parts for c in "".join(part.texts)}))


def maximum_source_length(locales: Iterable[str] = LOCALES) -> int:
    """Return the length of the longest possible source, in characters."""
    return max(
        sum(max(map(len, part.texts)) for part in template.parts)
        for locale in locales
        for template in templates(locale)
    )
