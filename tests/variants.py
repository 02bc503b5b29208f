"""Which variants of a property the core suite tests, and which it leaves to the thorough tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest


def variants(
    names: str | Sequence[str],
    values: Iterable[Any],
    core: int | Collection[Any] = 1,
    ids: Any = None,
) -> pytest.MarkDecorator:
    """As `pytest.mark.parametrize`, with the mark `thorough` on all but some values.

    Args:
        names: The test's argument, or a tuple of several.
        values: One for each test; of several arguments tuples.
        core: The values that the core suite tests, or how many of them, from the first on.
        ids: As pytest takes them.
    """
    several = not isinstance(names, str)
    marked = []
    for i, value in enumerate(values):
        is_core = i < core if isinstance(core, int) else value in core
        marks = [] if is_core else [pytest.mark.thorough]
        marked.append(pytest.param(*(value if several else [value]), marks=marks))
    return pytest.mark.parametrize(names, marked, ids=ids)


EXECUTIONS = {
    "eager": {"run_eagerly": True},
    "graph": {"jit_compile": False},
    "xla": {"jit_compile": True},
}
"""The ways to run a step of `fit`, as arguments of `compile`: the second and third take longer."""
each_execution = variants("execution", EXECUTIONS.values(), ids=list(EXECUTIONS))
