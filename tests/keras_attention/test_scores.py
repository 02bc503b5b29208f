"""The score functions: the lecture's numbers, other typed numbers, and formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from tests import reference
from tests.arrays import to_numpy, uniform

B, T, S, D, E, U = 2, 3, 5, 7, 11, 13

LETS = [[[-0.76, 0.75]]]
EOS = [[[0.91, 0.38]]]


def test_lecture_cosine() -> None:
    assert round(to_numpy(ka.scores.cosine(EOS, LETS)).item(), 2) == -0.39


def test_lecture_dot() -> None:
    assert round(to_numpy(ka.scores.dot(EOS, LETS)).item(), 2) == -0.41


def test_scaled_dot_divides_by_the_root_of_the_size() -> None:
    scores = ka.scores.scaled_dot([[[1.0, 2.0, 3.0, 4.0]]], [[[5.0, 0.0, -1.0, 1.0]]])
    assert to_numpy(scores).item() == pytest.approx(3.0)  # 6 / 2


def test_general_projects_the_key_to_the_query() -> None:
    kernel = [[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]]
    scores = ka.scores.general([[[2.0, 1.0]]], [[[1.0, 1.0, 1.0], [0.0, 2.0, -1.0]]], kernel)
    # W k_0 = (3, 2), W k_1 = (4, -5)
    np.testing.assert_allclose(to_numpy(scores), [[[8.0, 3.0]]])


def test_additive_by_hand() -> None:
    scores = ka.scores.additive(
        [[[1.0, 2.0]]],
        [[[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]],
        v=[1.0, -2.0],
        query_kernel=[[1.0, 0.0], [0.0, -0.5]],
        key_kernel=[[1.0, 0.0], [0.0, 1.0], [-0.5, 0.5]],
        bias=[0.0, 1.0],
    )
    # W_q q = (1, -1); W_m m = (1, 0), (-1, 2); with b inside the tanh: (2, 0), (0, 2)
    np.testing.assert_allclose(to_numpy(scores), [[[0.96402758, -1.92805516]]], rtol=1e-6)


def test_additive_without_projections_adds_query_and_key() -> None:
    scores = ka.scores.additive([[[1.0, -3.0]]], [[[1.0, 3.5]]], v=[2.0, 1.0])
    # 2 tanh(2) + tanh(0.5)
    assert to_numpy(scores).item() == pytest.approx(2.39017232, rel=1e-6)


def test_the_hidden_layer_is_formed_in_float32() -> None:
    low = [ops.cast(uniform(B, n, U, seed=n), "bfloat16") for n in (T, S)]
    v = uniform(U, seed=1)
    query, key = (to_numpy(x) for x in low)
    exact = np.tanh(query[:, :, None] + key[:, None]) @ v
    np.testing.assert_allclose(to_numpy(ka.scores.additive(low[0], low[1], v)), exact, atol=1e-5)


def test_concat_by_hand() -> None:
    kernel = np.array([[1.0, 0.0], [0.0, -0.5], [1.0, 0.0], [0.0, 1.0], [-0.5, 0.5]], "float32")
    keys = [[[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]]
    scores = ka.scores.concat([[[1.0, 2.0]]], keys, kernel, v=[1.0, -2.0])
    # tanh(2) - 2 tanh(-1), tanh(0) - 2 tanh(1)
    np.testing.assert_allclose(to_numpy(scores), [[[2.48721590, -1.52318831]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "key_size", "weight_shapes"),
    [
        ("dot", D, {}),
        ("scaled_dot", D, {}),
        ("cosine", D, {}),
        ("general", E, {"kernel": (E, D)}),
        ("additive", E, {"v": (U,), "query_kernel": (D, U), "key_kernel": (E, U), "bias": (U,)}),
        ("concat", E, {"kernel": (D + E, U), "v": (U,)}),
    ],
)
def test_equals_the_formula_for_every_pair(
    name: str, key_size: int, weight_shapes: dict[str, tuple[int, ...]]
) -> None:
    query, key = uniform(B, T, D, seed=1), uniform(B, S, key_size, seed=2)
    weights = {
        argument: uniform(*shape, seed=3 + place)
        for place, (argument, shape) in enumerate(weight_shapes.items())
    }
    scores = to_numpy(getattr(ka.scores, name)(query, key, **weights))
    assert scores.shape == (B, T, S)
    formula = getattr(reference, name)
    for b, t in np.ndindex(B, T):
        np.testing.assert_allclose(scores[b, t], formula(query[b, t], key[b], **weights), atol=2e-6)


def test_cosine_is_between_minus_one_and_one_and_knows_no_length() -> None:
    query, key = uniform(B, T, D, seed=1), uniform(B, S, D, seed=2)
    scores = to_numpy(ka.scores.cosine(query, key))
    assert np.all(np.abs(scores) <= 1.0 + 1e-6)
    np.testing.assert_allclose(to_numpy(ka.scores.cosine(17.0 * query, key)), scores, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_no_rounding_makes_a_cosine_larger_than_one(dtype: str) -> None:
    """A third of these rounds to more than 1 otherwise."""
    x = ops.cast(uniform(1, 200, 5, seed=3), dtype)
    own = ka.LuongAttention("cosine", dtype=dtype)
    own.build((None, None, 5), (None, None, 5))
    both = [ka.scores.cosine(x, x), own.compute_scores(own.project_query(x), own.project_key(x))]
    for scores in both:
        assert np.abs(to_numpy(scores)).max() == 1.0


def test_cosine_with_a_zero_vector_is_finite() -> None:
    assert np.isfinite(
        to_numpy(ka.scores.cosine(np.zeros((1, 1, D)), uniform(1, S, D, seed=1)))
    ).all()


@pytest.mark.parametrize("name", ["dot", "scaled_dot", "cosine"])
def test_product_scores_refuse_different_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=r"same number of features.*Received: .*7.*11"):
        getattr(ka.scores, name)(uniform(B, T, D, seed=1), uniform(B, S, E, seed=2))
