"""Create the reference: held-out inputs with the outputs of the Keras model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from keras_attention.decoding import BeamSearch, GreedySearch, Hypotheses
from keras_attention.decoding.margin import SearchMargin
from keras_attention.files import replacing
from keras_attention.ids import END_ID, PADDING_ID
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.text.translator import pad

Rows = list[list[int]]
MOST_ROWS = 512
_BATCH_SIZES = (5, 32, 1, 64)


def reference(
    model: Seq2Seq,
    rows: Rows,
    targets: Rows,
    max_source_length: int,
    max_length: int,
    beam: BeamSearch,
) -> dict[str, np.ndarray]:
    """Return padded batches of several sizes and lengths, and the model's outputs for them.

    The first batch contains a source of maximum length, a source of one token, and the end token
    alone.

    Args:
        model: The Keras model.
        rows: Source ids, including the end token.
        targets: The ids of human translations, including the end token.
        max_source_length: The maximum number of source tokens, including the end token.
        max_length: The maximum number of target tokens T, including the end token.
        beam: The beam search.

    Returns:
        Arrays named `NNN/source`, `NNN/target` (zeros if there is no translation),
        `NNN/SEARCH/NAME` for the searches greedy and beam and the names ids, lengths, scores,
        margin and, with attention, attention, with T = `max_length`; and
        `NNN/score/log_probabilities` for `targets_to_score`.
    """
    arrays: dict[str, np.ndarray] = {}
    searches: dict[str, GreedySearch | BeamSearch] = {"greedy": GreedySearch(), "beam": beam}
    first = extremes(rows, max_source_length)
    sources, golds = batches([*first, *rows]), batches([*([0] for _ in first), *targets])
    for number, (source, gold) in enumerate(zip(sources, golds, strict=True)):
        arrays[f"{number:03d}/source"], arrays[f"{number:03d}/target"] = source, gold
        for search_name, search in searches.items():
            for name, array in answer(model, source, search, max_length).items():
                arrays[f"{number:03d}/{search_name}/{name}"] = array
        scored = targets_to_score(gold, arrays[f"{number:03d}/greedy/ids"])
        arrays[f"{number:03d}/score/log_probabilities"] = model.score(source, scored).log_probs
    return arrays


def answer(
    model: Seq2Seq, source: np.ndarray, search: GreedySearch | BeamSearch, max_length: int
) -> dict[str, np.ndarray]:
    """Return the model's hypotheses for a padded batch, and the margin by which they won."""
    found = padded(model.generate(source, search, max_length), max_length)
    arrays = {name: array for name, array in found._asdict().items() if array is not None}
    of: Any = SearchMargin()
    if isinstance(search, BeamSearch):
        of = SearchMargin(search.width, search.length_penalty)
    margin = model.compiled_function(
        (of, max_length), lambda source: model.search(source, of, max_length)
    )
    return arrays | {"margin": ops.convert_to_numpy(margin(ops.convert_to_tensor(source)))}


def targets_to_score(targets: np.ndarray, greedy: np.ndarray) -> np.ndarray:
    """Return the targets of a batch that are scored.

    Args:
        targets: The ids (B, T) of human translations; zeros if there is none.
        greedy: The ids (B, 1, T) of the model's greedy search, which take their place then.
    """
    pairs = zip(targets, greedy[:, 0], strict=True)
    chosen = [human if human.any() else own for human, own in pairs]
    return pad([row[row != PADDING_ID].tolist() for row in chosen])


def batches(rows: Rows) -> Iterator[np.ndarray]:
    """Yield padded batches of several sizes."""
    remaining = iter(rows)
    for size in itertools.cycle(_BATCH_SIZES):
        batch = list(itertools.islice(remaining, size))
        if not batch:
            return
        yield pad(batch)


def extremes(rows: Rows, max_source_length: int) -> Rows:
    """Return a source of maximum length, a source of one token, and the end token alone."""
    tokens = list(itertools.islice(_tokens(rows), max_source_length - 1))
    return [[*tokens, END_ID], [tokens[0], END_ID], [END_ID]]


def _tokens(rows: Rows) -> Iterator[int]:
    """Repeat the tokens of the rows, without end tokens, endlessly."""
    return itertools.cycle(token for row in rows for token in row[:-1])


def padded(found: Hypotheses, max_length: int) -> Hypotheses:
    """Pad hypotheses to `max_length`, as artefacts do; `generate` cuts them to the longest."""
    missing = max_length - found.ids.shape[2]
    attention = found.attention
    if attention is not None:
        attention = np.pad(attention, ((0, 0), (0, 0), (0, missing), (0, 0)))
    ids = np.pad(found.ids, ((0, 0), (0, 0), (0, missing)))
    return Hypotheses(ids, found.lengths, found.scores, attention)


def greedy_ids(model: Seq2Seq, rows: Rows, max_length: int) -> Rows:
    """Return the greedy output for each source, with the end token and without padding."""
    targets: Rows = []
    for start in range(0, len(rows), 64):
        found = model.generate(pad(rows[start : start + 64]), GreedySearch(), max_length)
        lengths = found.lengths[:, 0]
        targets += [ids[0, :n].tolist() for ids, n in zip(found.ids, lengths, strict=True)]
    return targets


def write_reference(path: Path, arrays: dict[str, Any]) -> Path:
    """Write the arrays as a compressed `.npz`."""
    with replacing(path) as fresh:
        np.savez_compressed(fresh, **arrays)
    return path
