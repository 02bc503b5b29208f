"""What is done with lines."""

from __future__ import annotations

from export.bulk.parts import Task
from export.bulk.scoring import Score
from export.bulk.settings import SCORE, Settings
from export.bulk.tokenizers import Tokenizers
from export.bulk.translating import Translate


def task_of(settings: Settings, tokenizers: Tokenizers, alignments: bool = False) -> Task:
    """Return what is done with lines.

    Args:
        settings: Which function of the export does it, and how.
        tokenizers: The tokenizers of the export.
        alignments: Whether to align words.

    Raises:
        Refused: If the function's file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """
    if settings.function == SCORE:
        return Score(settings)
    return Translate(settings, tokenizers, alignments)
