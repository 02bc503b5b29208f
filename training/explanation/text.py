"""Write an explanation as text, as a person would on paper."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_attention.stored import printable
from training.explanation.steps import Explanation, Look, Mechanism, Step

SCORES = {
    "dot": "q . k",
    "scaled_dot": "q . k / sqrt(size of q)",
    "cosine": "q . k / (|q| |k|)",
    "general": "q . (k W)",
    "concat": "v . tanh([q; k] W)",
    "additive": "v . tanh(q W_q + k W_m)",
}
SHARES = {
    "softmax": "exp(score), divided by the sum over all tokens",
    "sparsemax": "no softmax: max(score - t, 0), with t such that the shares sum to 1",
    "hardmax": "no softmax: 1 for the largest score, 0 for all others",
    "monotonic": "no softmax: the probability of stopping here, from score + r, when continuing "
    "from the previous stop",
    "mocha": "no softmax over all: one over the last positions before a stop, when continuing from "
    "the previous stop",
    "local-m": "no softmax over all: one over a window that moves on with each step",
    "local-p": "no softmax over all: one over a window around a center that the query predicts, "
    "decreasing with the distance from it",
}
QUERIES = {
    "current": "the output of the top cell in this step",
    "previous": "the state of the top cell before this step",
    "between": "the output of the lower of the two transitions in this step",
    "bottom": "the output of the bottom cell in this step",
}
Paint = Callable[[str, str], str]
_CODES = {"title": "1", "aside": "2", "share": "36", "taken": "1;32"}
_COMPONENTS, _HEADS, _BAR = 3, 4, 20


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: The text.
        colour: The name of its colour, or an empty string.
        is_number: Whether to align the text to the right.
    """

    text: str
    colour: str = ""
    is_number: bool = False


def as_text(explanation: Explanation, rows: int = 12, has_colours: bool = False) -> str:
    """Return an explanation as text.

    Args:
        explanation: The explanation.
        rows: The maximum number of source tokens per step, those with the largest shares.
        has_colours: Whether to use terminal colours.
    """

    def paint(text: str, colour: str) -> str:
        text = printable(text)
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if has_colours and colour and text else text

    lines = [paint(f"{explanation.source} → {explanation.translation}", "title"), ""]
    lines += _table(list(_head(explanation)), paint)
    for step in explanation.steps:
        title = f"Step {step.number} of {explanation.step_count}: the decoder reads {step.reads}"
        lines += ["", paint(title, "title"), ""]
        if step.look is not None:
            places = largest(step.look.shares, rows)
            lines += [*_table(_places(explanation, step.look, places), paint)]
            lines += [f"  {note}" for note in _notes(explanation, step.look, places)] + [""]
        lines += [*_table(_next_words(step), paint), ""]
        lines.append(f"  {paint(f'It writes {step.writes.token}', 'taken')}{outcome(step)}")
    if not explanation.is_complete:
        lines += ["", "The output was cut off at the maximum length, before the end token."]
    return "\n".join(lines) + "\n"


def described(mechanism: Mechanism) -> Iterator[tuple[str, str]]:
    """Describe an attention mechanism: yield each part's name with its formula or a description."""
    formula = SCORES[mechanism.score]
    if mechanism.normalize:
        formula = "g v / |v| . tanh(q W_q + k W_m + b)"
    if mechanism.scale:
        formula = f"g ({formula})"
    yield "query q", f"{mechanism.query}: {QUERIES[mechanism.query]}"
    yield "key k", "the output of the encoder for a token"
    if mechanism.past is not None:
        yield "", f"projected with {mechanism.past} features of the shares in earlier steps"
    yield "score", f"{mechanism.score}: {formula}"
    options = ", ".join(f"{name}={value}" for name, value in mechanism.alignment_options.items())
    named = f"{mechanism.alignment} ({options})" if options else mechanism.alignment
    yield "share", f"{named}: {SHARES[mechanism.alignment]}"
    for name, values in mechanism.scalars.items():
        yield name, f"learned: {', '.join(f'{value:.2f}' for value in values)}"
    yield "sum", "the sum of each k times its share"
    if mechanism.heads > 1 or mechanism.head_size is not None:
        own = "W" if mechanism.head_size is None else "q, k and W"
        yield (
            "heads",
            f"{mechanism.heads}, each with its own {own} and sum; the share is their mean",
        )


def outcome(step: Step) -> str:
    """Say whether the token that a step wrote ends the output."""
    rank = step.writes.rank
    likely = "" if rank == 1 else f", ranked {rank} here: the search prefers the whole output"
    if step.is_end:
        return f"{likely}. This is the end token: done."
    return f"{likely}. This is not the end token, so decoding continues."


def largest(shares: np.ndarray, count: int) -> list[int]:
    """Return the positions with the largest shares, in source order."""
    return sorted(np.argsort(-shares, kind="stable")[:count].tolist())


def percent(share: float) -> str:
    """Format a share or a probability as a percentage."""
    return f"{100 * share:.1f} %"


def bar(share: float) -> str:
    """Draw a share as a bar, to an eighth of a character."""
    full, part = divmod(round(share * _BAR * 8), 8)
    return "█" * full + " ▏▎▍▌▋▊▉"[part].strip()


def _head(explanation: Explanation) -> Iterator[list[Cell]]:
    rows = [("found by", str(explanation.search))]
    rows.append(("source", " ".join(explanation.source_tokens)))
    rows.append(("⏎", "the end token (EOS)"))
    if explanation.has_unknown:
        rows.append(("�", "an unknown token"))
    if explanation.mechanism is None:
        rows.append(("attention", "none: the decoder uses its own state only"))
    else:
        rows += described(explanation.mechanism)
        others = [
            name.replace("_", " ") for name in _compared(explanation, explanation.steps[0].look)
        ]
        if others:
            what = "another score" if len(others) == 1 else "other scores"
            rows.append((", ".join(others), f"{what} of the same q and k, for comparison"))
    tokens = f"the probability of each of {explanation.vocabulary:,} tokens, by a softmax"
    rows.append(("next", tokens))
    for name, value in rows:
        yield [Cell(name, "aside"), Cell(value)]


def _places(explanation: Explanation, look: Look, places: Sequence[int]) -> list[list[Cell]]:
    """Return the table of source tokens: scores, shares and, below, the weighted sum."""
    encoded = np.asarray(explanation.encoded)
    compared = _compared(explanation, look)
    heads = look.heads[:_HEADS] if len(look.heads) > 1 else []
    head = [Cell("", "aside"), Cell("token", "aside"), Cell("k", "aside")]
    head += [Cell(name.replace("_", " "), "aside", True) for name in compared]
    for number, _ in enumerate(heads, start=1):
        head += [Cell(f"{name} {number}", "aside", True) for name in ("score", "share")]
    head += [] if heads else [Cell("score", "aside", True)]
    rows = [[*head, Cell("share", "aside", True), Cell("")]]
    for j in places:
        row = [Cell(str(j + 1), "aside", True), Cell(explanation.source_tokens[j])]
        row.append(Cell(vector(encoded[j])))
        row += [Cell(f"{values[j]:.2f}", "aside", True) for values in compared.values()]
        for one in heads:
            row.append(Cell(f"{one.scores[j]:.2f}", "", True))
            row.append(Cell(percent(one.shares[j]), "", True))
        row += [] if heads else [Cell(f"{look.heads[0].scores[j]:.2f}", "", True)]
        share = look.shares[j]
        rows.append([*row, Cell(percent(share), "", True), Cell(bar(share), "share")])
    empty = [Cell("")] * (len(head) - 3)
    asked = [Cell(""), Cell("q"), Cell(vector(look.query)), *empty, Cell(""), Cell("")]
    total = Cell(percent(float(look.shares.sum())), "", True)
    summed = [Cell(""), Cell("sum"), Cell(vector(look.context)), *empty, total, Cell("")]
    return [asked, *rows, summed]


def _compared(explanation: Explanation, look: Look | None) -> dict[str, np.ndarray]:
    """Return the other scores for comparison, without the model's own."""
    if look is None or explanation.mechanism is None:
        return {}
    own = explanation.mechanism.score
    return {name: values for name, values in look.compared.items() if name != own}


def _notes(explanation: Explanation, look: Look, places: Sequence[int]) -> Iterator[str]:
    """Yield notes on what the table of a step does not show."""
    hidden, heads = len(look.shares) - len(places), len(look.heads)
    if hidden:
        rest = float(look.shares.sum() - look.shares[list(places)].sum())
        yield f"And {hidden} more, {percent(max(rest, 0.0))} together (--rows shows more)."
    if heads > _HEADS:
        yield f"{heads - _HEADS} more heads (--json has all)."
    if look.shares.sum() < 0.9995:
        yield "The shares do not sum to 100 %: the rest attends to nothing."
    if heads > 1 or (explanation.mechanism and explanation.mechanism.head_size):
        yield "Each head sums projected vectors; the sum shown is a projection of their sums."


def _next_words(step: Step) -> list[list[Cell]]:
    rows = [[Cell("next", "aside"), Cell("likely", "aside", True), Cell("")]]
    for word in step.shown_words:
        colour = "taken" if word == step.writes else ""
        likely = Cell(percent(word.probability), colour, True)
        rows.append([Cell(word.token, colour), likely, Cell(bar(word.probability), "share")])
    return rows


def _table(rows: Sequence[Sequence[Cell]], paint: Paint) -> Iterator[str]:
    """Yield the lines of a table, with columns as wide as their widest cell."""
    rows = [[cell._replace(text=printable(cell.text)) for cell in row] for row in rows]
    widths = [max(_width(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  "
        for cell, most in zip(row, widths, strict=True):
            space = " " * (most - _width(cell.text))
            text = paint(cell.text, cell.colour)
            line += (space + text if cell.is_number else text + space) + "  "
        yield line.rstrip()


def vector(values: np.ndarray) -> str:
    """Format the first components of a vector."""
    texts = [f"{value:5.2f}" for value in values[:_COMPONENTS].tolist()]
    return f"[{' '.join(texts)}{' …' if len(values) > _COMPONENTS else ''}]"


def _width(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
