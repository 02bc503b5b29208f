"""The token losses and the metric: typed numbers, formulas, and that padding does not count."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attention as ka
from keras_attention.losses import tokens
from tests.arrays import to_numpy, uniform
from tests.variants import variants

B, T, V = 3, 5, 7
TARGETS = np.array([[4, 2, 6, 1, 3], [5, 2, 0, 0, 0], [1, 3, 2, 0, 0]])


def cross_entropy(logits: np.ndarray, targets: np.ndarray, label_smoothing: float = 0.0) -> Any:
    """By definition: minus the sum of target probability times log-probability."""
    logits = logits.astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.eye(logits.shape[-1])[targets] * (1.0 - label_smoothing)
    return -np.sum((wanted + label_smoothing / logits.shape[-1]) * log_probs, axis=-1)


def value(loss: keras.losses.Loss, *arguments: Any, **options: Any) -> float:
    return to_numpy(loss(*arguments, **options)).item()


def test_sequence_loss_by_hand() -> None:
    logits = np.log([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]).astype("float32")
    loss = ka.losses.sequence_loss(logits, np.array([[0, 2]]), np.array([[1.0, 3.0]], "float32"))
    # (log 2 + 3 log 1.25) / 4
    assert to_numpy(loss).item() == pytest.approx(0.34064445, rel=1e-5)


@pytest.mark.parametrize(
    ("over_timesteps", "over_batch", "axes"),
    [(True, True, (0, 1)), (False, True, (0,)), (True, False, (1,)), (False, False, None)],
)
def test_sequence_loss_averages_over_what_it_is_told(
    over_timesteps: bool, over_batch: bool, axes: tuple[int, ...] | None
) -> None:
    logits, weights = uniform(B, T, V, seed=1, scale=2.0), np.abs(uniform(B, T, seed=2))
    loss = ka.losses.sequence_loss(
        logits,
        TARGETS,
        weights,
        average_across_timesteps=over_timesteps,
        average_across_batch=over_batch,
    )
    expected = cross_entropy(logits, TARGETS) * weights
    if axes is not None:
        expected = expected.sum(axes) / (weights.sum(axes) + 1e-12)
    np.testing.assert_allclose(to_numpy(loss), expected, atol=1e-5)


def test_sequence_loss_without_any_weight_is_zero() -> None:
    loss = ka.losses.sequence_loss(uniform(B, T, V, seed=1), TARGETS, np.zeros((B, T), "float32"))
    assert to_numpy(loss).item() == 0.0


def test_masked_cross_entropy_by_hand() -> None:
    logits = np.log([[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]]]).astype("float32")
    # the third target is padding: (log 2 + log 1.25) / 2
    loss = value(ka.losses.MaskedCrossEntropy(), np.array([[1, 2, 0]]), logits)
    assert loss == pytest.approx(0.45814537, rel=1e-5)


def test_label_smoothing_by_hand() -> None:
    logits = np.log([[[0.2, 0.5, 0.3]]]).astype("float32")
    loss = value(ka.losses.MaskedCrossEntropy(label_smoothing=0.3), np.array([[1]]), logits)
    # -(0.8 log 0.5 + 0.1 log 0.2 + 0.1 log 0.3)
    assert loss == pytest.approx(0.83585882, rel=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_mean_is_over_real_tokens(label_smoothing: float) -> None:
    logits = uniform(B, T, V, seed=1, scale=3.0)
    loss = value(ka.losses.MaskedCrossEntropy(label_smoothing=label_smoothing), TARGETS, logits)
    each = cross_entropy(logits, TARGETS, label_smoothing)
    assert loss == pytest.approx(each[TARGETS != 0].mean(), rel=1e-5)


def test_more_padding_changes_nothing() -> None:
    logits = uniform(B, T, V, seed=1)
    longer = np.concatenate([logits, uniform(B, 2, V, seed=2, scale=9.0)], axis=1)
    targets = np.concatenate([TARGETS, np.zeros((B, 2), int)], axis=1)
    loss = ka.losses.MaskedCrossEntropy(label_smoothing=0.1)
    assert value(loss, targets, longer) == pytest.approx(value(loss, TARGETS, logits), rel=1e-6)


def test_a_row_of_padding_does_not_count_and_a_batch_of_it_is_zero() -> None:
    logits = uniform(B, T, V, seed=1)
    targets = TARGETS.copy()
    targets[1] = 0
    loss = ka.losses.MaskedCrossEntropy()
    expected = value(loss, TARGETS[[0, 2]], logits[[0, 2]])
    assert value(loss, targets, logits) == pytest.approx(expected, rel=1e-6)
    assert value(loss, np.zeros((B, T), int), logits) == 0.0


def test_sample_weights_scale_each_sentence() -> None:
    logits, loss = uniform(B, T, V, seed=1), ka.losses.MaskedCrossEntropy(reduction="sum")
    sample_weight = np.array([2.0, 0.0, 0.5], "float32")
    weighted = value(loss, TARGETS, logits, sample_weight=sample_weight)
    each = cross_entropy(logits, TARGETS) * (TARGETS != 0) * sample_weight[:, None]
    assert weighted == pytest.approx(each.sum(), rel=1e-5)


def test_computes_in_float32_for_float16_logits() -> None:
    logits = (uniform(B, T, V, seed=1) * 60.0).astype("float16")
    loss = value(ka.losses.MaskedCrossEntropy(), TARGETS, logits)
    expected = cross_entropy(logits.astype("float32"), TARGETS)[TARGETS != 0].mean()
    assert loss == pytest.approx(expected, rel=1e-3)


def test_accuracy_counts_real_tokens() -> None:
    logits = np.zeros((B, T, V), "float32")
    guesses = np.array([[4, 2, 6, 5, 3], [5, 1, 0, 0, 0], [1, 1, 2, 6, 6]])
    logits[np.arange(B)[:, None], np.arange(T), guesses] = 1.0
    metric = ka.metrics.MaskedAccuracy()
    metric.update_state(TARGETS, logits)
    assert to_numpy(metric.result()).item() == pytest.approx(7 / 10)
    metric.update_state(TARGETS[:1], logits[:1])
    assert to_numpy(metric.result()).item() == pytest.approx(11 / 15)
    metric.reset_state()
    metric.update_state(np.zeros((1, T), int), logits[:1])
    assert to_numpy(metric.result()).item() == 0.0


def test_accuracy_takes_sample_weights() -> None:
    logits = np.zeros((2, 1, V), "float32")
    logits[:, :, 3] = 1.0
    metric = ka.metrics.MaskedAccuracy()
    metric.update_state(np.array([[3], [4]]), logits, sample_weight=np.array([3.0, 1.0]))
    assert to_numpy(metric.result()).item() == pytest.approx(0.75)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_both_work_in_fit(mask_zero: bool) -> None:
    """The loss is the same whether or not the logits carry the mask of the decoder's inputs."""
    inputs = keras.Input((T,), dtype="int32")
    model = keras.Model(inputs, keras.layers.Embedding(V, V, mask_zero=mask_zero)(inputs))
    model.compile("adam", ka.losses.MaskedCrossEntropy(0.1), metrics=[ka.metrics.MaskedAccuracy()])
    logs = model.evaluate(TARGETS, TARGETS, verbose=0, return_dict=True)
    logits = model.predict(TARGETS, verbose=0)
    each = cross_entropy(logits, TARGETS, 0.1)
    assert logs["loss"] == pytest.approx(each[TARGETS != 0].mean(), rel=1e-5)
    hits = (logits.argmax(-1) == TARGETS)[TARGETS != 0]
    assert logs["masked_accuracy"] == pytest.approx(hits.mean(), rel=1e-5)


def test_what_is_no_probability_makes_the_loss_nan() -> None:
    """In a graph, where nobody sees the values; a loss that is a number would look like success."""
    loss = ka.losses.MaskedCrossEntropy(from_logits=False)
    shares = np.array([[[0.5, 0.5], [1.0, -1e-4]]], "float32")  # rounding is not wrong
    logits = np.array([[[0.5, -1.5], [1.0, 2.0]]], "float32")
    compiled = tf.function(lambda y_true, y_pred: loss(y_true, y_pred), autograph=False)
    assert float(compiled(np.array([[1, 0]]), shares)) == pytest.approx(np.log(2.0))
    assert np.isnan(compiled(np.array([[1, 1]]), logits))


@pytest.mark.parametrize("ignored", [[0, 2], "pad", 1.5])
def test_the_ignored_class_is_one_id(ignored: Any) -> None:
    for kind in (ka.losses.MaskedCrossEntropy, ka.metrics.MaskedAccuracy):
        with pytest.raises(TypeError, match=r"`ignore_class` must be .*integer, or None.*Received"):
            kind(ignore_class=ignored)


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.0])
def test_label_smoothing_out_of_range_is_refused(label_smoothing: float) -> None:
    message = rf"`label_smoothing`.*Received: label_smoothing={label_smoothing}"
    with pytest.raises(ValueError, match=message):
        ka.losses.MaskedCrossEntropy(label_smoothing=label_smoothing)


def test_the_loss_can_be_saved() -> None:
    loss = ka.losses.MaskedCrossEntropy(label_smoothing=0.2, name="smooth")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    logits = uniform(B, T, V, seed=1)
    assert again.label_smoothing == 0.2
    assert value(again, TARGETS, logits) == value(loss, TARGETS, logits)


FORMS = {
    "ids with an axis": TARGETS[..., None],
    "one-hot, padding is class 0": np.eye(V, dtype="float32")[TARGETS],
    "one-hot, padding is zeros": np.eye(V, dtype="float32")[TARGETS] * (TARGETS != 0)[..., None],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_every_form_of_the_targets_gives_the_same(form: str, label_smoothing: float) -> None:
    logits, targets = uniform(B, T, V, seed=1, scale=3.0), FORMS[form]
    each = cross_entropy(logits, TARGETS, label_smoothing)
    loss = ka.losses.MaskedCrossEntropy(label_smoothing)
    assert value(loss, targets, logits) == pytest.approx(each[TARGETS != 0].mean(), rel=1e-5)
    metric = ka.metrics.MaskedAccuracy()
    metric.update_state(targets, logits)
    hits = (logits.argmax(-1) == TARGETS)[TARGETS != 0]
    assert to_numpy(metric.result()).item() == pytest.approx(hits.mean())
    weights = (TARGETS != 0).astype("float32")
    found = to_numpy(ka.losses.sequence_loss(logits, targets, weights)).item()
    each = cross_entropy(logits, TARGETS)
    assert found == pytest.approx(each[TARGETS != 0].mean(), rel=1e-5)


def test_soft_targets_by_hand() -> None:
    logits = np.log([[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]]).astype("float32")
    targets = np.array([[[0.1, 0.6, 0.3], [0.7, 0.2, 0.1]]], "float32")  # the second is padding
    # -(0.1 log 0.2 + 0.6 log 0.5 + 0.3 log 0.3)
    expected = 0.93802394
    assert value(ka.losses.MaskedCrossEntropy(), targets, logits) == pytest.approx(expected, 1e-5)
    # smoothed: 0.7 of each, plus 0.1
    smooth = -(0.17 * np.log(0.2) + 0.52 * np.log(0.5) + 0.31 * np.log(0.3))
    found = value(ka.losses.MaskedCrossEntropy(0.3), targets, logits)
    assert found == pytest.approx(smooth, rel=1e-5)


def test_soft_targets_that_give_an_impossible_class_nothing_are_finite() -> None:
    logits, targets = np.array([[[0.0, -np.inf, 0.0]]], "float32"), np.array([[[0.25, 0.0, 0.75]]])
    assert value(ka.losses.MaskedCrossEntropy(), targets, logits) == pytest.approx(np.log(2))


@pytest.mark.parametrize("ignored", [None, 2, -1, V])
def test_another_class_is_ignored_or_none(ignored: int | None) -> None:
    logits = uniform(B, T, V, seed=1)
    counted = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 1, 1], [1, 1, 0, 1, 1]], bool)
    labels = np.where(counted, np.where(TARGETS == 2, 3, TARGETS), 2)
    if ignored is None:
        counted = np.ones_like(counted)
    given = labels if ignored is None else np.where(counted, labels, ignored)
    each = cross_entropy(logits, labels)[counted]
    loss = ka.losses.MaskedCrossEntropy(ignore_class=ignored)
    assert value(loss, given, logits) == pytest.approx(each.mean(), rel=1e-5)
    metric = ka.metrics.MaskedAccuracy(ignore_class=ignored)
    metric.update_state(given, logits)
    hits = (logits.argmax(-1) == labels)[counted]
    assert to_numpy(metric.result()).item() == pytest.approx(hits.mean())


@pytest.mark.parametrize("targets", ["ids", "one-hot, padding is zeros"])
def test_probabilities_give_what_their_logits_give(targets: str) -> None:
    logits, y_true = uniform(B, T, V, seed=1, scale=3.0), FORMS.get(targets, TARGETS)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = value(ka.losses.MaskedCrossEntropy(0.1, from_logits=False), y_true, p)
    assert found == pytest.approx(value(ka.losses.MaskedCrossEntropy(0.1), y_true, logits), 1e-5)
    impossible = np.array([[[0.0, 1.0, 0.0]]], "float32")
    loss = ka.losses.MaskedCrossEntropy(from_logits=False)
    assert np.isfinite(value(loss, np.array([[2]]), impossible))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((B, T, V + 1), r"Argument `y_true` must match `logits`.*\(3, 5, 7\).*\(3, 5, 8\)"),
        ((B, T + 1), r"Argument `y_true` must match `logits`.*\(3, 5\).*\(3, 6\)"),
        ((B, T + 1, 1), r"Argument `y_true` must match `logits`.*\(3, 5\).*\(3, 6\)"),
    ],
)
def test_targets_of_another_shape_are_refused(shape: tuple[int, ...], message: str) -> None:
    for call in (ka.losses.MaskedCrossEntropy(), ka.metrics.MaskedAccuracy().update_state):
        with pytest.raises(ValueError, match=message):
            call(np.ones(shape, "float32"), uniform(B, T, V, seed=1))


def ends_in(kind: str) -> keras.Model:
    inputs = keras.Input((T if kind == "each step" else None,), dtype="int32")
    hidden = keras.layers.Embedding(V, 4)(inputs)
    dense = keras.layers.Dense(V, "softmax", dtype="mixed_float16" if kind == "float16" else None)
    if kind == "layer":
        return keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(V)(hidden)))
    if kind in ("each step", "any steps"):
        dense = keras.layers.TimeDistributed(dense)
    return keras.Model(inputs, dense(hidden))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow knows")
@variants("kind", ["activation", "layer", "float16", "each step", "any steps"], core=2)
def test_a_softmax_before_logits_is_refused_in_fit(kind: str) -> None:
    model = ends_in(kind)
    model.compile("sgd", ka.losses.MaskedCrossEntropy())
    with pytest.raises(ValueError, match=r"Argument `y_pred` must be logits.*from_logits=False"):
        model.fit(TARGETS, TARGETS, verbose=0)
    model.compile("sgd", ka.losses.MaskedCrossEntropy(from_logits=False))
    found = model.evaluate(TARGETS, TARGETS, verbose=0)
    each = cross_entropy(np.log(model.predict(TARGETS, verbose=0)), TARGETS)
    assert found == pytest.approx(each[TARGETS != 0].mean(), rel=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow knows")
def test_a_softmax_before_sequence_loss_is_refused() -> None:
    p = keras.ops.softmax(uniform(B, T, V, seed=1))
    with pytest.raises(ValueError, match="Argument `logits` must be logits"):
        ka.losses.sequence_loss(p, TARGETS, np.ones((B, T), "float32"))


def test_values_of_the_other_kind_are_a_warning_once() -> None:
    logits = uniform(B, T, V, seed=1)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    loss = ka.losses.MaskedCrossEntropy()
    with pytest.warns(UserWarning, match=r"from_logits=True\) needs logits.*Received: y_pred"):
        loss(TARGETS, p)
    loss(TARGETS, p)  # a warning would be an error here
    loss = ka.losses.MaskedCrossEntropy(from_logits=False)
    with pytest.warns(UserWarning, match=r"from_logits=False\) needs probabilities"):
        loss(TARGETS, logits)


def gradients(logits: np.ndarray, upstream: np.ndarray, label_smoothing: float) -> np.ndarray:
    """Gradient of `sum(upstream * cross_entropy)`: softmax minus the target probabilities."""
    p = np.exp(logits.astype("float64") - logits.max(-1, keepdims=True))
    wanted = np.eye(logits.shape[-1])[TARGETS] * (1.0 - label_smoothing)
    wanted += label_smoothing / logits.shape[-1]
    return upstream[..., None] * (p / p.sum(-1, keepdims=True) - wanted)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_gradient_is_that_of_the_formula(label_smoothing: float, jit_compile: bool) -> None:
    given, upstream = uniform(B, T, V, seed=1, scale=5.0), uniform(B, T, seed=2)

    @tf.function(jit_compile=jit_compile)
    def run(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = tokens.cross_entropy(logits, TARGETS, label_smoothing)
            total = tf.reduce_sum(losses * upstream)
        return losses, tape.gradient(total, logits)

    losses, gradient = run(tf.constant(given))
    expected = cross_entropy(given, TARGETS, label_smoothing)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, gradients(given, upstream, label_smoothing), atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_it_is_the_loss_that_keras_has(
    label_smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = tf.constant(uniform(B, T, 1000, seed=1, scale=20.0))

    def run() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = tokens.cross_entropy(logits, TARGETS, label_smoothing)
        return [losses, tape.gradient(losses, logits)]

    own = run()
    monkeypatch.setattr("keras_attention.backend.has_own_gradient", lambda: False)
    for mine, keras_own in zip(own, run(), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-5, atol=1e-6)


def test_logits_may_be_far_apart() -> None:
    logits = np.array([[[1e4, 0.0, -1e4], [0.0, -np.inf, 0.0], [-1e4, -1e4, -1e4]]], "float32")
    losses = to_numpy(tokens.cross_entropy(logits, np.array([[1, 2, 0]])))
    np.testing.assert_allclose(losses, [[1e4, np.log(2), np.log(3)]], rtol=1e-6)


def test_a_target_out_of_the_vocabulary_is_an_error_or_not_a_number() -> None:
    logits, targets = uniform(1, 2, V, seed=1), np.array([[1, V]])
    for wrong in (targets, np.array([[1, -1]])):
        with pytest.raises(ValueError, match=rf"from 0 to 6.*Received: ids from .*{wrong[0, 1]}"):
            ka.losses.MaskedCrossEntropy()(wrong, logits)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"7 is not in \[0, 7\)"):
        tf.function(tokens.cross_entropy)(logits, targets)
    losses = tf.function(tokens.cross_entropy, jit_compile=True)(logits, targets)
    assert np.isnan(losses.numpy()).tolist() == [[False, True]]  # as on GPUs
