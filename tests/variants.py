"""Which variants of a property the core suite tests, and which it leaves to the thorough tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def variants(
    names: str, values: Iterable[Any], core: int = 1, ids: Sequence[str] | None = None
) -> pytest.MarkDecorator:
    """As `pytest.mark.parametrize`, where all but the first values are marked `thorough`.

    Args:
        names: Of the test's arguments.
        values: One for each test; of several arguments tuples.
        core: How many of them, from the first on, the core suite tests.
        ids: Names of the values.
    """
    several = "," in names
    marked = [
        pytest.param(*(value if several else [value]), marks=[pytest.mark.thorough] * (i >= core))
        for i, value in enumerate(values)
    ]
    return pytest.mark.parametrize(names, marked, ids=ids)
