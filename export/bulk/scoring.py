"""Pairs to log-probabilities."""

from __future__ import annotations

import numpy as np

from export.bulk.parts import Part
from export.bulk.reading import Lines
from export.bulk.session import Arrays, Session, Tell
from export.bulk.settings import Settings
from programs.scores import PairScore, ScoreSummary

OUTPUT = "log_probabilities"


class Score:
    """Scores given translations.

    Args:
        settings: The file that scores, and how to run it.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """

    def __init__(self, settings: Settings) -> None:
        self._session = Session(settings, [OUTPUT])

    def __call__(self, lines: Lines, tell: Tell = int) -> Part:
        """Return the lines' scores; see `Task`.

        Raises:
            RuntimeError: If a log-probability is not a number.
        """
        found = self._session(lines.ids, _scores, tell)
        count = len(lines.ids["source"])
        return Part(
            lines=count,
            rows=[str(found.get(place, "")) for place in range(count)],
            problems=lines.problems,
            scored=ScoreSummary.of(found[place] for place in sorted(found)),
        )


def _scores(given: Arrays, found: Arrays) -> list[PairScore]:
    if np.isnan(found[OUTPUT]).any():
        raise RuntimeError("The model returned NaN log-probabilities: check its training")
    totals = found[OUTPUT].sum(axis=1, dtype="float64").tolist()
    tokens = np.count_nonzero(given["target"], axis=1).tolist()
    return [PairScore(*pair) for pair in zip(totals, tokens, strict=True)]
