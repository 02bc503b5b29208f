from __future__ import annotations

import pytest

from keras_attention import GreedySearch
from keras_attention.text import Translation
from training.evaluation.answers import AnswersReport, report_answers

TARGETS = {
    "tomato": ["T AH M AA T OW", "T AH M EY T OW"],
    "read": ["R EH D", "R IY D"],
    "cat": ["K AE T"],
    "a": ["AH"],
}


def report() -> AnswersReport:
    outputs = ["T AH M EY T OW", "R EH T", "K AE T", ""]
    results = [Translation(text, -1.0, [], [], None, bool(text)) for text in outputs]
    return report_answers(TARGETS, results, GreedySearch())


def test_the_numbers_of_a_report() -> None:
    found = report()
    assert (found.pairs, found.sources, found.complete) == (6, 4, 0.75)
    assert (found.wrong, found.sequence_error_rate.value) == (2, 0.5)
    assert (found.edits, found.tokens) == (2, 13)
    assert found.token_error_rate.value == pytest.approx(2 / 13)
    for interval in (found.sequence_error_rate, found.token_error_rate):
        assert 0 <= interval.low < interval.value < interval.high <= 1
    assert found.examples == [("read", ["R EH D", "R IY D"], "R EH T"), ("a", ["AH"], "")]


def test_a_report_prints_itself() -> None:
    lines = str(report()).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["search", "pairs", "sources", "complete"]
    assert lines[4].split()[:4] == ["sequence", "error", "rate", "50.00%"]
    assert "2 of 4 outputs equal no reference (text to phonemes: the word error rate)" in lines[4]
    assert lines[5].split()[:4] == ["token", "error", "rate", "15.38%"]
    assert "2 edits of 13 reference tokens (there: the phone error rate)" in lines[5]
    assert lines[6:] == [
        "wrong: 'read' -> 'R EH T', not 'R EH D' or 'R IY D'",
        "wrong: 'a' -> '', not 'AH'",
    ]
