"""Rows that leave a search when their hypotheses have ended change nothing but its cost."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import MinLength, NoRepeatedNgram, beam_search, greedy_search
from keras_attention.decoding.loop import rows_may_leave
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import END, START, Chain, S, chain
from tests.variants import variants

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow leaves the batch size open"
)
ROWS, T = 7, 13
MASK = np.arange(S) < np.array([3, 1, 2, 3, 2, 1, 3])[:, None]
ALL: dict[str, Any] = {
    "width": 3,
    "length_penalty": 0.7,
    "coverage_penalty": 0.4,
    "constraints": (MinLength(2), NoRepeatedNgram(3)),
    "end_id": (END, 4),
}


def ragged() -> Chain:
    """A chain whose rows end sooner or later."""
    made = chain(seed=5, rows=ROWS)
    made.log_probs[..., END] += np.array([4, -3, 1, -9, 2, -1, -6])[:, None, None]
    made.log_probs -= np.log(np.exp(made.log_probs).sum(-1, keepdims=True))
    return made


def searched(made: Chain, rows: Any, mask: Any, options: dict[str, Any], seen: Any = None) -> Any:
    """Search with the number of each row in the memory, which the chain has in its state."""

    def step(tokens: Any, before: Any, memory: Any) -> tuple[Any, Any, Any]:
        if seen is not None:
            seen.assign_add(ops.shape(tokens)[0])
        log_probs, weights, state = made.step(tokens, {"before": before, "row": memory["row"]})
        return log_probs, weights, state["before"]

    given = {"end_id": END, "max_length": T, "attention_length": S, **options}
    if "coverage_penalty" in given:
        given["attention_mask"] = mask
    start = ops.zeros_like(rows) + START
    search = beam_search if "width" in given else greedy_search
    memory = {"row": rows, "nothing": None}
    return search(step, ops.zeros_like(rows) + END, start, memory=(memory,), **given)


def in_a_graph(made: Chain, options: dict[str, Any], seen: Any = None) -> Any:
    """The same for any number of rows."""
    rows = tf.TensorSpec((None,), tf.int32, name="rows")
    mask = tf.TensorSpec((None, S), tf.bool, name="mask")

    def call(rows: Any, mask: Any) -> dict[str, Any]:
        with rows_may_leave():
            found = searched(made, rows, mask, options, seen)._asdict()
        return {name: tf.identity(x, name) for name, x in found.items()}

    return tf.function(call, input_signature=[rows, mask], autograph=False)


def assert_same(found: Any, expected: Any) -> None:
    for name in ("ids", "lengths"):
        np.testing.assert_array_equal(to_numpy(found[name]), to_numpy(expected[name]))
    for name in ("scores", "attention"):
        np.testing.assert_allclose(to_numpy(found[name]), to_numpy(expected[name]), atol=1e-6)


@variants(
    "options",
    [
        ALL,
        {},
        {"width": 3, "length_penalty": 0.0},
        {"width": 4, "groups": 2, "diversity": 0.5},
        {"width": 3, "imitate_tfa_lengths": True},
    ],
    ids=["all", "greedy", "beam", "groups", "tfa"],
)
def test_the_results_are_those_of_rows_that_stay(options: dict[str, Any]) -> None:
    made = ragged()
    run = in_a_graph(made, options)
    for count in (ROWS, 1):
        rows = np.arange(count, dtype="int32")
        expected = searched(made, rows, MASK[:count], options)._asdict()
        assert_same(run(rows, MASK[:count]), expected)
    lasts = run(np.arange(ROWS, dtype="int32"), MASK)["lengths"].numpy().max(axis=1)
    assert len(set(lasts)) > 2


def test_a_row_that_has_ended_costs_nothing_soon_after() -> None:
    seen = tf.Variable(0)
    found = in_a_graph(ragged(), {"width": 3}, seen)(np.arange(ROWS, dtype="int32"), MASK)
    lasts = found["lengths"].numpy().max(axis=1)
    assert 3 * lasts.sum() <= seen.numpy() < 3 * (lasts.sum() + ROWS * lasts.max()) / 2


@pytest.mark.thorough
def test_onnx_has_the_same_results() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from keras_attention.export.onnx.convert import convert_function

    made = ragged()
    run = in_a_graph(made, ALL)
    converted = convert_function(run, run.input_signature, "ragged").SerializeToString()
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for count in (ROWS, 1):
        rows = np.arange(count, dtype="int32")
        given = {"rows": rows, "mask": MASK[:count]}
        found = dict(zip(names, session.run(names, given), strict=True))
        assert_same(found, searched(made, rows, MASK[:count], ALL)._asdict())
