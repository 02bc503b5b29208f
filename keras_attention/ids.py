"""The ids that mean the same in every vocabulary."""

from __future__ import annotations

PADDING_ID, START_ID, END_ID, UNKNOWN_ID = 0, 1, 2, 3
