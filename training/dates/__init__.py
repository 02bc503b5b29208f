"""The dates task: translate dates as written in several languages to ISO 8601.

Pairs are generated on the fly from Babel's locale data. The calendar dates held out for testing are
fixed. Every source string has exactly one correct answer although the locale is not given; see
`training.dates.patterns` for the rules.
"""

from __future__ import annotations

from training.dates.alignment import field_alignment, field_hits
from training.dates.evaluation import DatesReport, evaluate_dates
from training.dates.generate import (
    FIRST_DAY,
    LAST_DAY,
    SPLITS,
    DateExample,
    generate,
    split_of,
    variants,
)
from training.dates.locales import LOCALES
from training.dates.patterns import (
    Template,
    maximum_source_length,
    source_characters,
    templates,
)

TARGET_CHARACTERS = "-0123456789"
TARGET_LENGTH = 10

__all__ = [
    "FIRST_DAY",
    "LAST_DAY",
    "LOCALES",
    "SPLITS",
    "TARGET_CHARACTERS",
    "TARGET_LENGTH",
    "DateExample",
    "DatesReport",
    "Template",
    "evaluate_dates",
    "field_alignment",
    "field_hits",
    "generate",
    "maximum_source_length",
    "source_characters",
    "split_of",
    "templates",
    "variants",
]
