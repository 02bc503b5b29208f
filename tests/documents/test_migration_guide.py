"""The code in docs/migration.md reproduces the results of TensorFlow Addons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.migration import load_tfa_weights
from tests.arrays import to_numpy, uniform
from tests.documents import ROOT, all_blocks, run
from tests.golden import CASES, Case, mask_of, named_by_tfa, names
from tests.keras_attention.migration.test_golden import attention_of

GUIDE = "docs/migration.md"
BLOCKS = {info.removeprefix("python "): code for info, code in all_blocks(GUIDE)}
PUBLIC = (
    "AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauAttention "
    "BahdanauMonotonicAttention BaseDecoder BasicDecoder BasicDecoderOutput BeamSearchDecoder "
    "BeamSearchDecoderOutput BeamSearchDecoderState CustomSampler Decoder "
    "FinalBeamSearchDecoderOutput GreedyEmbeddingSampler InferenceSampler LuongAttention "
    "LuongMonotonicAttention SampleEmbeddingSampler Sampler ScheduledEmbeddingTrainingSampler "
    "ScheduledOutputTrainingSampler SequenceLoss TrainingSampler dynamic_decode gather_tree "
    "gather_tree_from_array hardmax monotonic_attention safe_cumprod sequence_loss tile_batch "
)
"""The names in `tfa.seq2seq` 0.23 that are not modules."""


class Reader(dict[str, Any]):
    """A user who types blocks of the guide one after the other."""

    def __init__(self, **given: Any) -> None:
        super().__init__(given)
        self.types("setup")

    def types(self, *names: str) -> Reader:
        for name in names:
            run(BLOCKS[name], GUIDE, self)
        return self


def close(tensor: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(to_numpy(ops.convert_to_tensor(tensor)), expected, atol=1e-5)


def test_every_name_of_tfa_seq2seq_is_in_the_table() -> None:
    table = (ROOT / GUIDE).read_text("utf-8").partition("## Name by name")[2].partition("\n## ")[0]
    first_column = " ".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
    assert set(PUBLIC.split()) - set(re.findall(r"`(\w+)`", first_column)) == set()


def test_every_block_is_typed_by_a_test() -> None:
    typed = set(re.findall(r'"([a-z-]+)"', Path(__file__).read_text("utf-8")))
    assert {name for name in BLOCKS if name != "tfa"} - typed == set()
    assert len({info for info, _ in all_blocks(GUIDE)}) == len(BLOCKS)


def reader_of_step(name: str, blocks: str) -> Reader:
    """A user who has created the mechanism of a case and set the case's weights."""
    case = CASES[name]
    reader = Reader(
        units=len(case["attention_v"]) if "attention_v" in case else 1,
        mode="".join(re.findall("mode-([a-z]+)", name)),
        query=case["query"],
        memory=case["memory"],
        lengths=case["memory_lengths"],
        mask=mask_of(case),
    )
    made = re.sub("step/|_mode-[a-z]+", "", name)
    reader["attention"] = reader.types(blocks)[made]
    reader["attention"].build(case["query"].shape, case["memory"].shape)
    reader["attention"].set_weights(attention_of(name, case).get_weights())
    return reader


@pytest.mark.parametrize("name", names("step/", "monotonic"))
def test_attention(name: str) -> None:
    reader = reader_of_step(name, "mechanisms")
    for block in ("attend", "attend-by-step"):
        reader.types(block)
        close(reader["weights"], CASES[name]["alignments"])
        close(reader["context"], CASES[name]["context"])


@pytest.mark.parametrize("name", [name for name in names("step/") if "monotonic" in name])
def test_monotonic_attention(name: str) -> None:
    reader = reader_of_step(name, "monotonic")
    reader["previous_alignments"] = CASES[name]["previous_alignments"]
    reader.types("monotonic-step")
    close(reader["weights"], CASES[name]["alignments"])
    close(reader["context"], CASES[name]["context"])
    close(reader["state"][0], CASES[name]["alignments"])


@pytest.mark.parametrize("mode", ["parallel", "recursive", "hard"])
def test_the_function_of_monotonic_attention(mode: str) -> None:
    p = np.abs(uniform(5, 7, seed=3)).astype("float64")
    before = np.abs(uniform(5, 7, seed=4)).astype("float64")
    before /= before.sum(axis=1, keepdims=True)
    if mode == "hard":
        p, before = np.round(p), np.eye(7)[[0, 2, 3, 5, 6]]
    come_by, expected = np.zeros(5), np.zeros((5, 7))
    for place in range(7):
        come_by = come_by + before[:, place]
        expected[:, place] = p[:, place] * come_by
        come_by = come_by * (1.0 - p[:, place])
    given = {"p_choose_i": p.astype("float32"), "previous_attention": before.astype("float32")}
    reader = Reader(mode=mode, **given).types("monotonic-function")
    close(reader["weights"][:, 0], expected)


def test_other_alignments() -> None:
    scores = np.array([[[0.1, 0.7, 0.9], [2.0, 2.0, 1.0]]], "float32")
    reader = Reader(scores=scores, mask=np.array([[True, True, False]])).types("alignment")
    close(reader["one_hot"], np.array([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]))
    assert isinstance(reader["one_place_only"].alignment, ka.alignments.Hardmax)


def test_cumulative_products() -> None:
    x = np.abs(uniform(3, 7, seed=2))
    x[1, 2] = 0.0
    close(Reader(x=x).types("cumprod")["product"], np.cumprod(x, axis=1))


def reader_with(case: Case, **given: Any) -> Reader:
    """A user with the inputs of a case."""
    return Reader(
        memory=case["memory"],
        lengths=case["memory_lengths"],
        inputs=case["inputs"],
        h=case["initial_h"],
        c=case["initial_c"],
        size=case["initial_h"].shape[1],
        **given,
    )


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A user who has loaded the checkpoint of a whole model."""
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(ROOT / "tests" / "data")
    case = CASES["decode/bahdanau_normalize_attention-layer"]
    reader = reader_with(
        case,
        units=len(case["attention_v"]),
        layer_size=case["attention_layer_kernel"].shape[1],
        embedding=keras.layers.Embedding(13, 5),
        encoder=keras.layers.LSTM(5),
        output_layer=keras.layers.Dense(13),
    )
    reader["embedding"].build()
    reader["encoder"].build((None, None, 5))
    reader["output_layer"].build((None, 4))
    return reader.types("decoder", "weights", "rest", "decode")


def test_a_decoder(moved: Reader) -> None:
    case = CASES["decode/bahdanau_normalize_attention-layer"]
    close(moved["outputs"], case["outputs"])
    close(moved["weights"], case["alignments"])
    assert tuple(moved["logits"].shape) == (*case["outputs"].shape[:2], 13)
    moved.types("steps")
    close(ops.stack(moved["outputs"], axis=1), case["outputs"])


@pytest.mark.parametrize("name", ["decode/luong"])
def test_a_decoder_without_attention_layer(name: str) -> None:
    case = CASES[name]
    reader = reader_with(case, mask=mask_of(case)).types("without-layer")
    reader["plain"].build(case["inputs"].shape, case["memory"].shape)
    load_tfa_weights(reader["plain"], named_by_tfa(name, case, "layer"))
    reader.types("parts")
    close(reader["attention"], case["outputs"])
    close(reader["cell_outputs"][:, -1], case["final_h"])


def test_a_sampler_of_ones_own(moved: Reader) -> None:
    moved.types("step-function", "steps")
    moved["state"] = moved["decoder"].initial_state(moved["prepared"], [moved["h"], moved["c"]])
    moved.update(
        start_inputs=moved["embedding"](np.array([1, 1, 1])),
        max_length=6,
        sample_fn=lambda output: ops.argmax(moved["output_layer"](output), axis=-1),
        next_inputs_fn=moved["embedding"],
    )
    moved.types("sampler")
    samples = np.stack([to_numpy(sample) for sample in moved["samples"]], axis=1)
    assert samples.tolist() == GREEDY


@pytest.mark.parametrize("sampling_probability", [0.0, 1.0])
def test_scheduled_sampling(
    moved: Reader, sampling_probability: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def likeliest(logits: Any, num_samples: int) -> Any:
        return ops.expand_dims(ops.argmax(logits, axis=-1), 1)

    forced = to_numpy(moved["logits"])
    if sampling_probability == 1.0:  # only the first of the given tokens matters
        monkeypatch.setattr(keras.random, "categorical", likeliest)
        given = np.array([[1, 0, 0, 0, 0, 0]] * 3)
        moved["inputs"] = moved["embedding"](given)
    moved["sampling_probability"] = sampling_probability
    logits = to_numpy(moved.types("scheduled")["logits"])
    if sampling_probability == 1.0:
        assert logits.argmax(axis=-1).tolist() == GREEDY
    else:
        np.testing.assert_allclose(logits, forced, atol=1e-5)


GREEDY = [[1, 7, 7, 7, 7, 7], [9, 9, 9, 9, 1, 7], [5, 5, 5, 5, 5, 5]]
"""What TensorFlow Addons found with the checkpoint, from token 1, in six steps."""
BEST = [
    [[7], [1, 7], [9, 7], [1, 1, 7]],
    [[7], [9, 9, 9, 1, 1, 7], [9, 9, 9, 1, 1, 1], [9, 9, 9, 9, 1, 7]],
    [[7], [5, 7], [5, 5, 5, 5, 5, 5], [5, 5, 5, 5, 5, 4]],
]
"""The same by beam search of width 4 without length penalty, where 7 ends."""
LOG_PROBS = [
    [-2.180640, -4.380350, -4.415190, -6.648770],
    [-2.392030, -13.852190, -13.853340, -13.854490],
    [-2.246680, -3.888220, -10.602510, -11.049640],
]


def ids_of(found: Any, row: int, place: int) -> list[int]:
    length = int(to_numpy(found.lengths)[row, place])
    assert not to_numpy(found.ids)[row, place, length:].any()
    return to_numpy(found.ids)[row, place, :length].tolist()


def test_searches_with_a_moved_model(moved: Reader) -> None:
    moved.update(start_tokens=np.array([1, 1, 1]), end_id=2, max_length=6)
    moved.types("step-function", "greedy")
    assert to_numpy(moved["ids"]).tolist() == GREEDY
    assert moved["found"].attention.shape == (3, 1, 6, 7)

    moved.update(temperature=1e-4)
    moved.types("sampling")
    assert to_numpy(moved["found"].ids)[:, 0].tolist() == GREEDY

    moved.update(end_id=7, width=4, length_penalty=0.0)
    moved.types("step-function", "beam")
    found = [[ids_of(moved["found"], row, k) for k in range(4)] for row in range(3)]
    assert found == BEST
    close(moved["scores"], np.array(LOG_PROBS))


def reader_of_beam(name: str) -> Reader:
    """A user whose model is a table."""
    case = CASES[name]

    def step(tokens: Any, state: Any, memory: Any) -> Any:
        return ops.log_softmax(ops.take(case["table"], tokens, axis=0)), None, state

    return Reader(
        prepared={},
        step=step,
        state={},
        start_tokens=case["start_tokens"],
        end_id=int(case["end_token"]),
        max_length=int(case["max_steps"]),
        width=case["scores"].shape[1],
        length_penalty=float(name.rpartition("-")[2]),
    )


@pytest.mark.parametrize("name", names("beam/", "penalty-0.6", "penalty-1.0"))
def test_beam_search(name: str) -> None:
    close(reader_of_beam(name).types("beam")["scores"], CASES[name]["scores"])


@pytest.mark.parametrize("name", names("beam/"))
def test_beam_search_with_the_lengths_of_tensorflow_addons(name: str) -> None:
    close(reader_of_beam(name).types("imitated")["found"].scores, CASES[name]["scores"])


@pytest.mark.parametrize("name", names("loss/"))
def test_loss(name: str) -> None:
    case = CASES[name]
    reader = Reader(
        **{key: case[key] for key in ("logits", "targets", "weights")},
        average_across_timesteps="timesteps-True" in name,
        average_across_batch="batch-True" in name,
    )
    close(reader.types("loss")["loss"], case["loss"])


def test_summed_losses() -> None:
    case = CASES["loss/timesteps-False_batch-False"]
    given = {key: case[key] for key in ("logits", "targets", "weights")}
    expected = case["loss"].sum() / np.count_nonzero(case["weights"])
    close(Reader(**given).types("summed")["summed"], expected)

    given["weights"] = np.where(case["targets"] != 0, 1.0, 0.0).astype("float32")
    assert 0 < given["weights"].sum() < given["weights"].size
    reader = Reader(**given).types("summed", "masked")
    close(reader["per_token"], to_numpy(reader["summed"]))
