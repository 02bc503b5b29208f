"""Names of months, and which of them cannot be used because locales disagree on the month."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from babel import Locale


def normalize(text: str) -> str:
    """NFKC, and each white space character a plain space."""
    return "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFKC", text))


def _name_key(name: str) -> str:
    return normalize(name).lower().rstrip(".")


def _months(region: str, context: str, width: str) -> tuple[str, ...]:
    names = Locale.parse(region).months[context][width]
    return tuple(names[month] for month in range(1, 13))


def conflicting_names(regions: Iterable[str]) -> frozenset[str]:
    """Month names that stand for different months in different locales.

    Args:
        regions: Babel locale names.

    Returns:
        The names in lower case without a final full stop. Croatian and Polish, for example, share
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
    """The twelve month names, each conflicting one replaced by its unabbreviated form.

    Raises:
        ValueError: if an unabbreviated name is in conflict too.
    """
    names = _months(region, context, width)
    full = _months(region, context, "wide")
    table = [f if _name_key(n) in conflicts else n for n, f in zip(names, full, strict=True)]
    undecided = [name for name in table if _name_key(name) in conflicts]
    if undecided:
        raise ValueError(
            "`region` must have unabbreviated month names that no other locale uses for another "
            f"month. Received: region={region!r} with {undecided}"
        )
    return table
