"""Attention losses: typed numbers, formulas, what does not count, and training with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.losses.attention import coverage_loss, guided_alignment_loss
from keras_attention.losses.tokens import cross_entropy
from tests import reference
from tests.arrays import dtype_policy, randomize, to_numpy, uniform
from tests.variants import each_execution, variants

B, T, S = 3, 5, 7
IDS = np.array([[4, 2, 6, 1, 3], [5, 2, 0, 0, 0], [1, 3, 2, 0, 0]])
SOURCE = np.array([[5, 6, 7, 8, 9, 5, 2], [6, 7, 2, 0, 0, 0, 0], [8, 9, 6, 5, 2, 0, 0]])
TARGET = np.where(IDS != 0, np.array([[1, 4, 2, 6, 1], [1, 5, 0, 0, 0], [1, 1, 3, 0, 0]]), 0)
CONFIG = ka.Seq2SeqConfig(
    source_vocabulary=11,
    target_vocabulary=13,
    embedding_size=3,
    encoder_units=5,
    decoder_units=7,
    attention_units=11,
)
COSTS = ("cross_entropy", "squared_error")


def weights(*shape: int, seed: int) -> np.ndarray:
    powers = np.exp(uniform(*shape, seed=seed, scale=3.0))
    return powers / powers.sum(-1, keepdims=True)


def links() -> np.ndarray:
    """Links of the real tokens; one of them has none, one has two."""
    alignment = np.zeros((B, T, S), "float32")
    for row, place, source in ((0, 0, 3), (0, 1, 0), (0, 1, 6), (0, 3, 5), (1, 0, 1), (2, 2, 4)):
        alignment[row, place, source] = 1.0
    return alignment


def model(seed: int = 3, **options: Any) -> ka.Seq2Seq:
    made = ka.Seq2Seq(replace(CONFIG, **options))
    randomize(made, seed)
    return made


def inputs() -> dict[str, np.ndarray]:
    return {"source": SOURCE, "target": TARGET}


def test_coverage_loss_by_hand() -> None:
    given = np.array([[[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.0, 0.1, 0.9]]], "float32")
    # 0; 0.5 + 0.2 + 0.1 of a coverage of 0.7, 0.2, 0.1; 0.1 + 0.2 of one of 1.2, 0.6, 0.2
    np.testing.assert_allclose(to_numpy(coverage_loss(given)), [[0.0, 0.8, 0.3]], atol=1e-6)


def test_coverage_loss_is_the_formula() -> None:
    given = weights(B, T, S, seed=1)
    expected = [reference.coverage_losses(row) for row in given]
    np.testing.assert_allclose(to_numpy(coverage_loss(given)), expected, atol=1e-6)


def test_the_coverage_loss_counts_real_tokens() -> None:
    given = weights(B, T, S, seed=1)
    loss = to_numpy(ka.losses.CoverageLoss()(IDS, given)).item()
    each = np.array([reference.coverage_losses(row) for row in given])
    assert loss == pytest.approx(each[IDS != 0].mean(), rel=1e-5)
    longer = np.concatenate([given, weights(B, 2, S, seed=2)], axis=1)
    ids = np.concatenate([IDS, np.zeros((B, 2), int)], axis=1)
    assert to_numpy(ka.losses.CoverageLoss()(ids, longer)).item() == pytest.approx(loss, rel=1e-6)
    assert to_numpy(ka.losses.CoverageLoss()(0 * IDS, given)).item() == 0.0


def test_guided_alignment_loss_by_hand() -> None:
    given = np.array([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]], "float32")
    alignment = np.array([[[0, 1, 1], [0, 0, 1], [0, 0, 0]]])
    cross = guided_alignment_loss(given, alignment)  # log 4; -log 0.7
    np.testing.assert_allclose(to_numpy(cross), [[1.386294, 0.356675, 0.0]], atol=1e-6)
    squared = guided_alignment_loss(given, alignment, "squared_error")
    # 0.25 + 2 * 0.0625; 0.01 + 0.04 + 0.09
    np.testing.assert_allclose(to_numpy(squared), [[0.375, 0.14, 0.0]], atol=1e-6)


@pytest.mark.parametrize("cost", COSTS)
def test_guided_alignment_loss_is_the_formula_over_aligned_tokens(cost: Any) -> None:
    given, alignment = weights(B, T, S, seed=1), links()
    pairs = zip(given, alignment, strict=True)
    expected = np.array([reference.guided_alignment_losses(*pair, cost) for pair in pairs])
    np.testing.assert_allclose(
        to_numpy(guided_alignment_loss(given, alignment, cost)), expected, atol=1e-5
    )
    loss = ka.losses.GuidedAlignmentLoss(cost)
    mean = expected[alignment.any(-1)].mean()
    assert to_numpy(loss(alignment, given)).item() == pytest.approx(mean, rel=1e-5)
    assert to_numpy(loss(3 * alignment, given)).item() == pytest.approx(mean, rel=1e-5)
    assert to_numpy(loss(0 * alignment, given)).item() == 0.0
    once = np.array([1.0, 0.0, 0.0], "float32")
    first = to_numpy(loss(alignment, given, sample_weight=once)).item()
    assert first == pytest.approx(expected[0][alignment[0].any(-1)].mean(), rel=1e-5)


def test_a_weight_of_zero_costs_much_and_not_everything() -> None:
    given = np.array([[[0.0, 1.0]]], "float32")
    loss = to_numpy(guided_alignment_loss(given, np.array([[[1, 0]]]))).item()
    assert loss == pytest.approx(-np.log(1e-9), rel=1e-5)


@pytest.mark.parametrize("function", [coverage_loss, lambda w: guided_alignment_loss(w, links())])
def test_both_compute_in_float32(function: Any) -> None:
    low = keras.ops.cast(weights(B, T, S, seed=1), "float16")
    found = function(low)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    exact = function(to_numpy(low))
    np.testing.assert_allclose(to_numpy(found), to_numpy(exact), atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    given = weights(B, T, S, seed=1)
    with pytest.raises(ValueError, match=r"`weights` must have the axes .*Received: weights.shape"):
        coverage_loss(given[0])
    with pytest.raises(ValueError, match=r"`alignment` must match `weights`.*Received: align"):
        guided_alignment_loss(given, links()[:, :3])
    with pytest.raises(ValueError, match=r"`y_true` must match `y_pred`"):
        ka.losses.CoverageLoss()(IDS[:, :4], given)
    with pytest.raises(ValueError, match=r"`cost` must be one of .*Received: cost='linear'"):
        ka.losses.GuidedAlignmentLoss("linear")
    with pytest.raises(ValueError, match=r"`coverage_loss` must not be neg.*: coverage_loss=-1.0"):
        replace(CONFIG, coverage_loss=-1.0)
    with pytest.raises(ValueError, match="`coverage_loss` needs an attention"):
        replace(CONFIG, coverage_loss=1.0, attention=None)
    with pytest.raises(ValueError, match="needs a model with attention"):
        model(attention=None).with_attention()


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_with_attention_gives_what_the_model_and_its_steps_give(attention: Any) -> None:
    made = model(attention=attention)
    outputs = made.with_attention()(inputs())
    np.testing.assert_array_equal(to_numpy(outputs["logits"]), to_numpy(made(inputs())))
    scored = made.score(SOURCE, IDS).attention
    real = (IDS != 0)[..., None]
    np.testing.assert_allclose(to_numpy(outputs["attention"]) * real, scored, atol=1e-6)
    own, shared = (m.trainable_variables for m in (made, made.with_attention()))
    assert {id(v) for v in own} == {id(v) for v in shared}


@each_execution
def test_fit_learns_the_coverage_loss_of_real_tokens_too(execution: dict[str, bool]) -> None:
    """`fit` and `evaluate` report the cross-entropy plus the weighted coverage loss."""
    made = model(coverage_loss=2.0)
    attention = to_numpy(made.with_attention()(inputs())["attention"])
    each = np.array([reference.coverage_losses(row) for row in attention])
    entropy = to_numpy(cross_entropy(made(inputs()), IDS))[IDS != 0].mean()
    expected = entropy + 2.0 * each[IDS != 0].mean()
    made.compile(keras.optimizers.SGD(0.1), ka.losses.MaskedCrossEntropy(), **execution)
    assert made.evaluate(inputs(), IDS, verbose=0) == pytest.approx(expected, rel=1e-5)
    plain = model()
    plain.compile(keras.optimizers.SGD(0.1), ka.losses.MaskedCrossEntropy(), **execution)
    history = made.fit(inputs(), IDS, verbose=0)
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert plain.fit(inputs(), IDS, verbose=0).history["loss"][0] == pytest.approx(
        entropy, rel=1e-5
    )
    pairs = zip(made.get_weights(), plain.get_weights(), strict=True)
    assert max(np.abs(one - other).max() for one, other in pairs) > 1e-4


def test_without_a_coverage_loss_there_is_none() -> None:
    made = model()
    made(inputs())
    assert made.losses == []
    assert [layer.name for layer in made.layers if "coverage" in layer.name] == []


@pytest.mark.thorough
def test_the_coverage_loss_teaches_to_look_elsewhere() -> None:
    def coverage_after_training(**options: Any) -> float:
        made = model(**options)
        made.compile(keras.optimizers.Adam(0.03), ka.losses.MaskedCrossEntropy())
        made.optimizer.build(made.trainable_variables)
        made.fit(inputs(), IDS, epochs=25, verbose=0)
        attention = made.with_attention()(inputs())["attention"]
        return to_numpy(ka.losses.CoverageLoss()(IDS, attention)).item()

    assert coverage_after_training(coverage_loss=3.0) < 0.5 * coverage_after_training()


def test_a_model_with_a_coverage_loss_is_saved_with_it(tmp_path: Path) -> None:
    made = model(coverage_loss=2.0)
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.config.coverage_loss == 2.0
    for one in (made, loaded):
        one(inputs())
    assert to_numpy(loaded.losses[0]) == pytest.approx(to_numpy(made.losses[0]), rel=1e-6)


@variants("cost", COSTS, core=0)  # as in the example of `with_attention`
def test_two_losses_in_plain_keras_train_the_model_itself(cost: Any) -> None:
    made = model()
    guided = made.with_attention()
    before = guided(inputs())
    entropy = to_numpy(ka.losses.MaskedCrossEntropy()(IDS, before["logits"])).item()
    distance = to_numpy(ka.losses.GuidedAlignmentLoss(cost)(links(), before["attention"])).item()
    guided.compile(
        keras.optimizers.Adam(0.03),
        {
            "logits": ka.losses.MaskedCrossEntropy(),
            "attention": ka.losses.GuidedAlignmentLoss(cost),
        },
        loss_weights={"logits": 1.0, "attention": 5.0},
    )
    data = {"logits": IDS, "attention": links()}
    guided.optimizer.build(guided.trainable_variables)
    losses = guided.fit(inputs(), data, epochs=40, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(entropy + 5.0 * distance, rel=1e-4)
    after = made.score(SOURCE, IDS).attention
    assert after is not None
    on_links = [float(x[links() > 0].sum()) for x in (to_numpy(before["attention"]), after)]
    assert on_links[0] < 2.0
    assert on_links[1] > 4.0  # of five at most


def test_with_attention_scales_the_loss_under_float16() -> None:
    with dtype_policy("mixed_float16"):
        made = model()
    guided = made.with_attention()
    assert guided.dtype_policy.name == "mixed_float16"
    guided.compile("adam", {"logits": ka.losses.MaskedCrossEntropy(), "attention": "mse"})
    assert isinstance(guided.optimizer, keras.optimizers.LossScaleOptimizer)
    assert keras.backend.standardize_dtype(guided(inputs())["attention"].dtype) == "float32"
