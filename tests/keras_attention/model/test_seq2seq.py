"""Seq2Seq: training, search and results use one and the same model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.backend import compiled
from keras_attention.model.layers import dropped
from tests import reference
from tests.arrays import randomize, to_numpy
from tests.variants import variants

SOURCE_VOCABULARY, TARGET_VOCABULARY, END = 11, 7, 2
SOURCE = np.array([[4, 5, 6, 7, 2], [8, 9, 2, 0, 0], [10, 2, 0, 0, 0]])
MAX_LENGTH = 6

KINDS: dict[str, dict[str, Any]] = {
    "bahdanau": {"attention": "bahdanau"},
    "luong": {"attention": "luong", "attention_layer_units": 5, "decoder_layers": 2},
    "gru": {"attention": "luong", "score": "concat", "decoder_cell": "gru", "start_id": 2},
    "lecture": {
        "attention": "luong",
        "score": "dot",
        "encoder": "lstm",
        "encoder_units": 8,
        "bridge": "copy",
        "start_id": 2,
    },
    "nematus": {"query": "between", "decoder_cell": "gru", "bridge": "mean", "readout": "tanh"},
    "gnmt": {"query": "bottom", "decoder_layers": 3, "encoder_layers": 2, "residual": True},
    "groundhog": {"decoder_cell": "ln-lstm", "readout": "maxout", "readout_units": 5},
    "without": {"attention": None, "bridge": "zeros"},
    "tied": {"attention_layer_units": 3, "tie_embeddings": "output", "dropout": 0.5},
    "shared": {
        "attention": "luong",
        "target_vocabulary": SOURCE_VOCABULARY,
        "attention_layer_units": 3,
        "tie_embeddings": "all",
        "word_dropout": 0.5,
        "recurrent_dropout": 0.5,
        "decoder_layers": 2,
    },
}
each_kind = variants("kind", KINDS, core=("luong", "without"))


def new(kind: str) -> Any:
    """A model with large random weights, which writes sentences of different lengths."""
    sizes = {"embedding_size": 3, "encoder_units": 4, "decoder_units": 8, "attention_units": 5}
    words = {"source_vocabulary": SOURCE_VOCABULARY, "target_vocabulary": TARGET_VOCABULARY}
    config = ka.Seq2SeqConfig(**{**words, **sizes, **KINDS[kind]})
    model = ka.Seq2Seq(config)
    randomize(model, seed=23, scale=1.5)
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {kind: new(kind) for kind in KINDS}


@functools.cache
def forward(model: Any) -> Callable[..., Any]:
    """The model as in training, traced once, because a reference search calls it often."""

    def call(source: Any, target: Any) -> Any:
        return model({"source": source, "target": target})

    return compiled(call, model.variables)


def teacher_forced(model: Any, source: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """Log-probabilities (V,) of the token after `ids`, from the model as in training."""
    target = np.array([[model.config.start_id, *ids]])
    arrays = (keras.ops.convert_to_tensor(x, dtype="int32") for x in (source[None], target))
    logits = to_numpy(forward(model)(*arrays))[0, -1].astype("float64")
    return logits - np.log(np.sum(np.exp(logits)))


def next_log_probs(model: Any, source: np.ndarray) -> reference.NextLogProbs:
    known: dict[tuple[int, ...], np.ndarray] = {}

    def look_up(ids: tuple[int, ...]) -> np.ndarray:
        if ids not in known:
            known[ids] = teacher_forced(model, source, ids)
        return known[ids]

    return look_up


@each_kind
def test_greedy_follows_the_model_as_it_is_trained(models: dict[str, Any], kind: str) -> None:
    model = models[kind]
    found = model.generate(SOURCE, max_length=MAX_LENGTH)
    for row, source in enumerate(SOURCE):
        expected = reference.greedy(next_log_probs(model, source), END, MAX_LENGTH)
        length = len(expected.ids)
        assert found.lengths[row, 0] == length
        assert tuple(found.ids[row, 0, :length]) == expected.ids
        assert np.all(found.ids[row, 0, length:] == 0)
        assert found.scores[row, 0] == pytest.approx(expected.log_prob, abs=1e-4)


@each_kind
def test_a_beam_follows_the_model_as_it_is_trained(models: dict[str, Any], kind: str) -> None:
    model = models[kind]
    search = ka.BeamSearch(width=3, length_penalty=0.8)
    found = model.generate(SOURCE, search, max_length=4)
    for row, source in enumerate(SOURCE):
        every = reference.beam(next_log_probs(model, source), END, 4, 3, 0.8)
        for place, expected in enumerate(every):
            assert tuple(found.ids[row, place, : len(expected.ids)]) == expected.ids
            assert found.scores[row, place] == pytest.approx(expected.score(0.8), abs=1e-4)


@each_kind
@pytest.mark.parametrize("search", [ka.GreedySearch(), ka.BeamSearch(3, 0.6)])
def test_a_padded_batch_equals_each_sentence_alone(
    models: dict[str, Any], kind: str, search: Any
) -> None:
    together = models[kind].generate(SOURCE, search, max_length=MAX_LENGTH)
    for row, source in enumerate(SOURCE):
        alone = models[kind].generate(source[None, source != 0], search, max_length=MAX_LENGTH)
        longest = alone.ids.shape[2]
        np.testing.assert_array_equal(alone.ids[0], together.ids[row, :, :longest])
        assert np.all(together.ids[row, :, longest:] == 0)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-5)
        if together.attention is not None:
            length = int(np.sum(source != 0))
            weights = together.attention[row, :, :longest]
            np.testing.assert_allclose(alone.attention[0], weights[:, :, :length], atol=1e-5)
            assert np.all(weights[:, :, length:] == 0.0)


@variants("kind", ["bahdanau", "luong"])
def test_the_attention_is_that_of_the_decoder(models: dict[str, Any], kind: str) -> None:
    model = models[kind]
    found = model.generate(SOURCE, ka.BeamSearch(2, 0.0), max_length=4)
    ids, lengths = found.ids[:, 1], found.lengths[:, 1]
    for row in range(len(SOURCE)):
        memory, state = model.encode(SOURCE[row : row + 1])
        token = model.config.start_id
        for t in range(lengths[row]):
            _, weights, state = model.decode_step(np.array([token]), state, memory)
            np.testing.assert_allclose(found.attention[row, 1, t], to_numpy(weights)[0], atol=1e-5)
            token = ids[row, t]
        assert np.all(found.attention[row, 1, lengths[row] :] == 0.0)


def test_results_are_numpy_arrays_as_long_as_the_longest(models: dict[str, Any]) -> None:
    found = models["bahdanau"].generate(SOURCE, ka.BeamSearch(3), max_length=50)
    assert all(isinstance(array, np.ndarray) for array in found)
    assert found.ids.shape == (3, 3, found.lengths.max())
    assert found.attention.shape == (3, 3, found.lengths.max(), 5)
    assert np.all(np.diff(found.scores, axis=1) <= 0.0)


def test_without_attention_there_are_no_weights(models: dict[str, Any]) -> None:
    assert models["without"].generate(SOURCE).attention is None


def test_a_second_search_sees_new_weights() -> None:
    model = new("bahdanau")
    before = model.generate(SOURCE, max_length=4)
    randomize(model, seed=99, scale=1.5)
    after = model.generate(SOURCE, max_length=4)
    assert np.abs(before.scores - after.scores).max() > 1e-3


@each_kind
def test_a_loaded_model_searches_alike(models: dict[str, Any], kind: str, tmp_path: Path) -> None:
    models[kind].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.config == models[kind].config
    one, other = (model.generate(SOURCE, max_length=4) for model in (models[kind], loaded))
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.thorough
def test_a_toy_task_is_learned() -> None:
    """Say the source backwards: only attention, or a perfect memory, can do it."""
    rng = np.random.default_rng(5)
    words = rng.integers(4, SOURCE_VOCABULARY, (512, 4))
    end = np.full((512, 1), END)
    source = np.concatenate([words, end], axis=1)
    labels = np.concatenate([words[:, ::-1], end], axis=1)
    target = np.concatenate([np.ones((512, 1), int), labels[:, :-1]], axis=1)
    model = ka.Seq2Seq(
        ka.Seq2SeqConfig(
            SOURCE_VOCABULARY,
            SOURCE_VOCABULARY,
            embedding_size=16,
            encoder_units=16,
            decoder_units=32,
            attention_units=16,
        )
    )
    model.compile(
        keras.optimizers.Adam(0.02),
        ka.losses.MaskedCrossEntropy(),
        metrics=[ka.metrics.MaskedAccuracy()],
    )
    data = {"source": source[:448], "target": target[:448]}
    model.optimizer.build(model.trainable_variables)
    model.fit(data, labels[:448], batch_size=64, epochs=40, verbose=0)
    found = model.generate(source[448:], max_length=5)
    assert np.mean(np.all(found.ids[:, 0] == labels[448:], axis=1)) > 0.9


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([[4, 11, 2]], r"`source`.*0 to 10.*Received: source\[0, 1\]=11"),
        ([[4, -1, 2]], r"`source`.*0 to 10.*Received: source\[0, 1\]=-1"),
        ([[4.5, 2.0]], r"`source`.*integer.*Received: "),
        ([4, 5, 2], r"`source`.*\(batch, length\).*Received: shape=\(3,\)"),
        ([[4, 0, 5]], r"`source`.*right.*Received: .*row 0"),
        ([[4, 2], [0, 5]], r"`source`.*right.*Received: .*row 1"),
    ],
)
def test_ids_that_are_none_are_refused(models: dict[str, Any], source: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models["bahdanau"].generate(np.array(source))


def test_a_maximal_length_below_one_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"`max_length`.*Received: max_length=0"):
        models["bahdanau"].generate(SOURCE, max_length=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_vocabulary": 3}, r"`source_vocabulary`.*Received: source_vocabulary=3"),
        ({"decoder_units": 0}, r"`decoder_units`.*positive.*Received: decoder_units=0"),
        ({"encoder": "cnn"}, r"`encoder`.*bilstm.*Received: encoder='cnn'"),
        ({"attention": "flash"}, r"`attention`.*bahdanau.*Received: attention='flash'"),
        ({"bridge": "stone"}, r"`bridge`.*dense.*Received: bridge='stone'"),
        ({"dropout": 1.0}, r"`dropout`.*Received: dropout=1.0"),
        ({"start_id": 0}, r"`start_id`.*Received: start_id=0"),
        ({"readout": "relu"}, r"`readout`.*Received: readout='relu'"),
        ({"readout_units": 3}, r"`readout_units` needs a `readout`.*Received: readout_units=3"),
        ({"readout": "tanh", "readout_units": 0}, r"`readout_units`.*positive.*units=0"),
        ({"residual": True}, r"`residual=True`.*Received: encoder_layers=1, decoder_layers=1"),
        ({"query": "bottom"}, r"`query='bottom'`.*Received: decoder_layers=1"),
        ({"query": "between", "attention": None}, r"`query='between'`.*Received: attention=None"),
    ],
)
def test_a_config_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ka.Seq2SeqConfig(**{"source_vocabulary": 11, "target_vocabulary": 7, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"word_dropout": 1.0}, r"`word_dropout`.*Received: word_dropout=1.0"),
        ({"embedding_dropout": -0.1}, r"`embedding_dropout`.*Received: embedding_dropout=-0.1"),
        ({"recurrent_dropout": 2}, r"`recurrent_dropout`.*Received: recurrent_dropout=2"),
        ({"memory_dropout": 1}, r"`memory_dropout`.*Received: memory_dropout=1"),
        ({"tie_embeddings": "source"}, r"`tie_embeddings`.*Received: tie_embeddings='source'"),
        (
            {"tie_embeddings": "output", "attention_layer_units": 5},
            r"`attention_layer_units` must equal `embedding_size`.*units=5, embedding_size=256",
        ),
        (
            {"tie_embeddings": "output", "readout": "tanh", "readout_units": 5},
            r"`readout_units` must equal `embedding_size`.*units=5, embedding_size=256",
        ),
        (
            {"tie_embeddings": "all", "attention_layer_units": 256},
            r"one vocabulary.*Received: source_vocabulary=11, target_vocabulary=7",
        ),
    ],
)
def test_a_config_of_regularizers_that_cannot_be_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ka.Seq2SeqConfig(**{"source_vocabulary": 11, "target_vocabulary": 7, **options})


@pytest.mark.parametrize("kind", ["tied", "shared"])
def test_logits_are_products_with_the_embeddings(models: dict[str, Any], kind: str) -> None:
    model, target = models[kind], np.array([[1, 4, 5]])
    logits = to_numpy(model({"source": SOURCE[:1], "target": target}))
    embeddings = to_numpy(model.target_embedding.embeddings)
    memory, state = model.encode(SOURCE[:1])
    for t in range(3):
        embedded = model.target_embedding(target[:, t])
        output, _, state = model.decoder.step(embedded, state, memory)
        expected = to_numpy(output) @ embeddings.T
        np.testing.assert_allclose(logits[:, t], expected, rtol=0, atol=1e-5)


def test_how_many_matrices_there_are(models: dict[str, Any]) -> None:
    def matrices(kind: str) -> list[tuple[int, ...]]:
        words = [w for w in models[kind].trainable_variables if "decoder" not in w.path]
        return sorted(tuple(w.shape) for w in words if w.shape[-1] in (3, TARGET_VOCABULARY))

    source, target = (SOURCE_VOCABULARY, 3), (TARGET_VOCABULARY, 3)
    assert matrices("bahdanau") == sorted([source, target, (TARGET_VOCABULARY,), (16, 7)])
    assert matrices("tied") == sorted([source, target])
    assert matrices("shared") == [source]


def test_dropped_words_lose_all_features_and_others_none() -> None:
    """Keras scales up what dropout leaves, so sums stay the same on average."""
    config = ka.Seq2SeqConfig(11, 7, word_dropout=0.5, embedding_dropout=0.0)
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, dropped(inputs, config, keras.dtype_policies.get("float32")))
    words = to_numpy(model(np.ones((31, 17, 5), "float32"), training=True))
    assert set(np.unique(words)) == {0.0, 2.0}
    assert (words == words[:, :, :1]).all()
    assert 0.4 < (words[:, :, 0] == 0.0).mean() < 0.6
    assert len({tuple(row) for row in words[:, :, 0]}) > 25, "each sentence loses other words"
    np.testing.assert_array_equal(to_numpy(model(np.ones((2, 3, 5), "float32"))), 1.0)


def test_attention_reads_a_memory_of_which_features_are_dropped() -> None:
    """The bridge, which reads the same outputs, loses none."""
    sizes = {"embedding_size": 3, "encoder_units": 16, "attention_units": 5}
    read: dict[str, list[Any]] = {"decoder": [], "bridge": []}
    model = ka.Seq2Seq(ka.Seq2SeqConfig(11, 7, bridge="mean", memory_dropout=0.25, **sizes))
    for name, found in read.items():
        layer = getattr(model, name)

        def call(*args: Any, found: Any = found, of: Any = layer.call, **options: Any) -> Any:
            found.append(to_numpy(options["memory"]))
            return of(*args, **options)

        layer.call = call
    for training in (False, True):
        inputs = {"source": SOURCE[:, :2], "target": np.ones((3, 2), "int32")}
        model(inputs, training=training)
    whole, thinned = read["decoder"]
    kept = thinned != 0.0
    assert 0.65 < kept.mean() < 0.85
    np.testing.assert_allclose(thinned[kept], whole[kept] / 0.75, rtol=0, atol=1e-6)
    for seen in read["bridge"]:
        np.testing.assert_allclose(seen, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("dtype", "scaled"), [("mixed_float16", True), ("mixed_bfloat16", False)])
def test_the_loss_of_a_model_in_float16_is_scaled(dtype: str, scaled: bool) -> None:
    model = ka.Seq2Seq(ka.Seq2SeqConfig(11, 7, embedding_size=3, encoder_units=2), dtype=dtype)
    model.compile(keras.optimizers.Adam())
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == scaled
    loaded = ka.Seq2Seq.from_config(model.get_config())
    assert loaded.dtype_policy.name == dtype


def test_copying_states_needs_equal_sizes() -> None:
    config = ka.Seq2SeqConfig(11, 7, encoder_units=4, decoder_units=9, bridge="copy")
    with pytest.raises(ValueError, match=r"copy.*Received: encoder size=8, decoder size=9"):
        ka.Seq2Seq(config)
