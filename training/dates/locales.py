"""Data that Babel lacks: informal patterns and ordinal suffixes of each locale.

Patterns are in CLDR notation (`y` year, `M`/`L` month inside a date or on its own, `d` day, `E`/`c`
weekday, quotes around words), with one addition: `ddd` is the day as an ordinal number ("3rd",
"1er"), for which CLDR has no letter.
"""

from __future__ import annotations

from collections.abc import Callable

LOCALES = ("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "ja")

# The regions whose CLDR patterns and names are used; defaults to the language itself.
REGIONS: dict[str, tuple[str, ...]] = {"en": ("en", "en_GB")}

# Common to all locales: ISO 8601, and the year-first order of file names, logs and archives.
SHARED_PATTERNS = ("y-MM-dd",)
YEAR_FIRST_PATTERNS = ("y MMMM d", "y MMM d")

_ROMANCE_DE = (
    "ddd 'de' MMMM 'de' y",
    "EEEE ddd 'de' MMMM 'de' y",
    "d MMMM y",
    "d-MMM-y",
    "EEE d MMM y",
)

FREE_PATTERNS: dict[str, tuple[str, ...]] = {
    "en": (
        "MMMM d y",
        "MMM d y",
        "d MMMM, y",
        "d-MMM-y",
        "EEE d MMM y",
        "EEEE MMMM d y",
        "ddd MMMM y",
        "MMMM ddd, y",
        "MMM ddd y",
        "EEEE, MMMM ddd, y",
        "EEE, ddd MMM y",
        "'the' ddd 'of' MMMM y",
        "'the' ddd 'of' MMMM, y",
        "y, MMMM d",
        *YEAR_FIRST_PATTERNS,
    ),
    "de": (
        "d. LLL y",
        "d MMMM y",
        "'den' d. MMMM y",
        "EEEE, 'den' d. MMMM y",
        "EEEE d. MMMM y",
        "ccc, d. MMMM y",
        "y, d. MMMM",
        *YEAR_FIRST_PATTERNS,
    ),
    "es": (
        *_ROMANCE_DE,
        "d 'de' MMMM 'del' y",
        "d 'de' MMM 'de' y",
        *YEAR_FIRST_PATTERNS,
    ),
    "fr": (
        "ddd MMMM y",
        "'le' ddd MMMM y",
        "'le' EEEE ddd MMMM y",
        "EEEE ddd MMMM y",
        "EEEE, d MMMM y",
        "d-MMM-y",
        *YEAR_FIRST_PATTERNS,
    ),
    "it": (
        "ddd MMMM y",
        "EEEE ddd MMMM y",
        "EEEE, d MMMM y",
        "EEE, d MMM y",
        "d-MMM-y",
        *YEAR_FIRST_PATTERNS,
    ),
    "pt": (
        *_ROMANCE_DE,
        "d MMM y",
        *YEAR_FIRST_PATTERNS,
    ),
    "nl": (
        "EEEE, d MMMM y",
        "EEE, d MMM y",
        "EEEE d MMM y",
        "d-MMM-y",
        *YEAR_FIRST_PATTERNS,
    ),
    "sv": (
        "'den' d MMMM y",
        "'den' ddd MMMM y",
        "EEEE 'den' d MMMM y",
        "EEE, d MMM y",
        "ddd MMMM y",
        *YEAR_FIRST_PATTERNS,
    ),
    "pl": (
        "d LLLL y",
        "d MMMM y 'r.'",
        "d MMMM y 'roku'",
        "EEEE, d MMMM y 'r.'",
        "EEEE d MMMM y",
        "y LLLL d",
        *YEAR_FIRST_PATTERNS,
    ),
    "ja": (
        "y年MM月dd日",
        "y年M月d日 EEEE",
        "y年M月d日(EEEE)",
        "y年 M月 d日",
        "y.M.d",
        "y-M-d",
        "EEEE y年M月d日",
    ),
}


def _english(day: int) -> str:
    if 11 <= day <= 13:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _swedish(day: int) -> str:
    return ":a" if day % 10 in (1, 2) and day not in (11, 12) else ":e"


def _first_only(suffix: str) -> Callable[[int], str]:
    return lambda day: suffix if day == 1 else ""


# The ordinal suffix by language; in the Romance languages only the first day has one.
ORDINAL_SUFFIXES: dict[str, Callable[[int], str]] = {
    "en": _english,
    "es": _first_only("º"),
    "fr": _first_only("er"),
    "it": _first_only("º"),
    "pt": _first_only("º"),
    "sv": _swedish,
}
