"""Names of months, and those that are ambiguous between locales."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from babel import Locale


def normalize(text: str) -> str:
    """Apply NFKC, and replace each white space character by a plain space."""
    return "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFKC", text))


def _name_key(name: str) -> str:
    return normalize(name).lower().rstrip(".")


def _months(region: str, context: str, width: str) -> tuple[str, ...]:
    names = Locale.parse(region).months[context][width]
    return tuple(names[month] for month in range(1, 13))


def conflicting_names(regions: Iterable[str]) -> frozenset[str]:
    """Return the month names that mean different months in different locales.

    Args:
        regions: Babel locale names.

    Returns:
        The names in lower case without a final period. Croatian and Polish, for example, share
        "lip" (June, July) and "lis" (October, November).
    """
    meanings: defaultdict[str, set[int]] = defaultdict(set)
    for region in regions:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in enumerate(_months(region, context, width)):
                    meanings[_name_key(name)].add(month)
    return frozenset(name for name, months in meanings.items() if len(months) > 1)


def month_table(region: str, context: str, width: str, conflicts: frozenset[str]) -> list[str]:
    """Return the twelve month names, with ambiguous ones in their unabbreviated form.

    Raises:
        ValueError: If an unabbreviated name is ambiguous, too.
    """
    names = _months(region, context, width)
    full = _months(region, context, "wide")
    table = [f if _name_key(n) in conflicts else n for n, f in zip(names, full, strict=True)]
    undecided = [name for name in table if _name_key(name) in conflicts]
    if undecided:
        raise ValueError(
            "Argument `region` must have unabbreviated month names that mean the same month in all "
            f"locales. Received: region={region!r} with {undecided}"
        )
    return table
