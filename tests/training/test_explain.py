"""Explanations: the numbers are the model's own, and a person can read them."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf

import keras_attention as ka
from keras_attention.text.runs import RunDirectory
from tests import reference
from tests.arrays import to_numpy
from tests.export.toy import TARGET_ALPHABET, tokenizer, toy_model, toy_run
from tests.shared import made_once
from tests.variants import variants
from training import evaluate, explain, train, translate
from training.explanation.steps import Explanation, Head, Look, Mechanism, Step, Word, readable
from training.explanation.steps import explain as explained
from training.explanation.text import as_text
from training.fitting.tasks import Texts, task_of
from training.recipes.reading import load_config

pytestmark = pytest.mark.usefixtures("eager")
TEXT = "abc 12 é"
KINDS: dict[str, dict[str, Any]] = {
    "dot": {"attention": "luong", "score": "dot", "decoder_units": 10, "start_id": 2},
    "general": {"attention": "luong", "scale": True, "input_feeding": False},
    "bahdanau": {},
    "heads": {"attention": "luong", "score": "scaled_dot", "num_heads": 3, "head_size": 2},
    "monotonic": {"alignment": "monotonic", "alignment_options": {"score_bias_init": 1.0}},
    "location": {"past": "location", "query": "between", "alignment": "sparsemax"},
}


def translator(search: Any = None, end_bias: float = 0.0, **changes: Any) -> ka.Translator:
    source, target = tokenizer(), tokenizer(TARGET_ALPHABET)
    sizes = {"target_vocabulary": target.vocabulary_size, "end_bias": end_bias}
    model = toy_model(source.vocabulary_size, **{**sizes, **changes})
    return ka.Translator(model, source, target, 13, 4, search)


@cache
def one_of(kind: str) -> tuple[ka.Translator, Explanation]:
    """A translator of this kind with greedy search, and its explanation of `TEXT`."""
    made = translator(**KINDS[kind])
    return made, explained(made, TEXT)


def own_scores(attention: Any, look: Look, encoded: np.ndarray) -> np.ndarray:
    """The scores, from the formulas in NumPy."""
    query, keys = look.query.astype("float64"), encoded.astype("float64")
    weights = {variable.name: to_numpy(variable) for variable in attention.weights}
    if isinstance(attention, ka.BahdanauAttention):
        kernels = weights["query_kernel"], weights["key_kernel"]
        return reference.additive(query, keys, weights["v"], *kernels)
    if attention.score == "general":
        return weights["g"] * reference.general(query, keys, weights["key_kernel"])
    return reference.dot(query, keys)


@variants("kind", KINDS, core=3)
def test_what_is_shown_is_what_the_model_does(kind: str) -> None:
    one, found = one_of(kind)
    (translation,) = one([TEXT])
    assert (found.translation, found.source_tokens) == (translation.text, translation.source_tokens)
    assert [step.writes.token for step in found.steps] == translation.tokens
    assert found.is_complete == translation.is_complete
    assert translation.attention is not None
    looks = [step.look for step in found.steps if step.look is not None]
    np.testing.assert_allclose([look.shares for look in looks], translation.attention, atol=1e-6)
    log_probability = sum(math.log(step.writes.probability) for step in found.steps)
    assert log_probability == pytest.approx(translation.score, abs=1e-5)
    for look in looks:
        of_heads = np.mean([head.shares for head in look.heads], axis=0)
        np.testing.assert_allclose(of_heads, look.shares, atol=1e-6)
        for head in look.heads:
            if kind not in ("monotonic", "location"):
                np.testing.assert_allclose(reference.softmax(head.scores), head.shares, atol=1e-6)
    assert len(looks[0].heads) == (3 if kind == "heads" else 1)


@pytest.mark.parametrize("kind", ["dot", "general", "bahdanau", "monotonic"])
def test_query_scores_and_sum_are_those_of_the_whole_sequence(kind: str) -> None:
    one, found = one_of(kind)
    model = one.model
    assert found.encoded is not None
    source = np.array(one.encode([TEXT]))
    encoded, *states = model.encoder(model.source_embedding(source))
    np.testing.assert_allclose(found.encoded, to_numpy(encoded)[0], atol=1e-6)
    ids = [step.writes.id for step in found.steps[:-1]]
    inputs = model.target_embedding(np.array([[model.config.start_id, *ids]]))
    start = model.bridge(states)
    outputs = model.decoder(inputs, memory=encoded, initial_state=start)
    states_and_sums = to_numpy(outputs)[0]
    size = model.config.decoder_units
    queries = states_and_sums[:, :size]
    if model.decoder.query == "previous":
        queries = np.concatenate([to_numpy(start[0]), queries[:-1]])
    bias = float(getattr(model.decoder.attention.alignment, "score_bias", 0.0))
    before = np.eye(len(found.encoded))[0]  # a monotonic alignment starts at the first position
    for step, query, total in zip(found.steps, queries, states_and_sums[:, size:], strict=True):
        assert step.look is not None
        (head,) = step.look.heads
        np.testing.assert_allclose(step.look.query, query, atol=1e-6)
        expected = own_scores(model.decoder.attention, step.look, found.encoded)
        np.testing.assert_allclose(head.scores, expected, atol=1e-5)
        if kind == "monotonic":
            before = reference.monotonic(reference.sigmoid(expected + bias), before)
            np.testing.assert_allclose(head.shares, before, atol=1e-5)
        np.testing.assert_allclose(step.look.context, total, atol=1e-6)
        np.testing.assert_allclose(step.look.shares @ found.encoded, total, atol=1e-6)


def test_scores_to_compare_with_are_there_where_sizes_allow() -> None:
    _, found = one_of("dot")
    look = found.steps[0].look
    assert look is not None
    assert found.encoded is not None
    assert set(look.compared) == {"dot", "cosine", "scaled_dot"}
    for name, values in look.compared.items():
        expected = getattr(reference, name)(look.query, found.encoded)
        np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_array_equal(look.compared["dot"], look.heads[0].scores)
    other = one_of("general")[1].steps[0].look
    assert other is not None
    assert other.compared == {}


def test_the_best_of_a_beam_is_explained() -> None:
    one = translator(ka.BeamSearch(3, 0.6), end_bias=1.0, attention="luong")
    for text in ("abc", "h1", "éé", "k"):
        found, (translation,) = explained(one, text, words=1), one([text])
        assert [step.writes.token for step in found.steps] == translation.tokens
        if any(step.writes.rank > 1 for step in found.steps):
            break
    taken = next(step for step in found.steps if step.writes.rank > 1)
    assert taken.shown_words == [*taken.words, taken.writes]
    assert f"ranked {taken.writes.rank} here" in as_text(found)


def test_a_model_is_left_as_it_was() -> None:
    one, first = one_of("heads")
    attention = one.model.decoder.attention
    layers = [attention, *attention.heads]
    before = [set(vars(layer)) for layer in layers]
    second = explained(one, TEXT)
    assert [set(vars(layer)) for layer in layers] == before
    assert first.as_dict() == second.as_dict()


def test_without_attention_there_are_next_words_only() -> None:
    found = explained(translator(attention=None), TEXT, words=3)
    assert (found.encoded, found.mechanism) == (None, None)
    assert all(step.look is None and len(step.words) == 3 for step in found.steps)
    text = as_text(found)
    assert "attention  none" in text
    assert "share" not in text


def test_words_are_shown_whole() -> None:
    words = ka.SentencePieceTokenizer.train(["let's go", "to go"], 16, "word")
    assert sorted(readable(words)[4:]) == ["go", "let's", "to"]
    assert readable(words)[2:4] == ["⏎", "�"]
    characters = ka.SentencePieceTokenizer.train(["let's go"], 16, "char")
    assert "␣" in readable(characters)


def lecture(**changes: Any) -> Explanation:
    """The lecture's first step, with its numbers: "let's" scores -0.41 and "go" 0.01."""
    shares = np.array([0.398, 0.602])
    compared = {"dot": np.array([-0.41, 0.01]), "cosine": np.array([-0.39, 0.48])}
    look = Look(
        query=np.array([0.91, 0.38]),
        heads=[Head(np.array([-0.41, 0.01]), shares)],
        compared=compared,
        shares=shares,
        context=np.array([-0.296, 0.292]),
    )
    likely, other = Word(5, "vamos", 0.75, 1), Word(4, "ir", 0.25, 2)
    mechanism = Mechanism(
        "luong",
        "dot",
        False,
        False,
        "current",
        "softmax",
        {},
        None,
        heads=1,
        head_size=None,
        scalars={},
    )
    given: dict[str, Any] = {
        "source": "let's go",
        "translation": "vamos",
        "search": "GreedySearch()",
        "source_tokens": ["let's", "go"],
        "encoded": np.array([[-0.76, 0.75], [0.01, -0.01]]),
        "mechanism": mechanism,
        "vocabulary": 6,
        "has_unknown": False,
        "is_complete": True,
        "step_count": 2,
        "steps": [Step(1, "⏎", look, [likely, other], likely, is_end=False)],
    }
    return Explanation(**{**given, **changes})


@pytest.mark.parametrize("has_colours", [False, True])
def test_a_terminal_does_not_obey_a_foreign_run(has_colours: bool) -> None:
    evil = "\x1b[2J"
    word = Word(5, evil, 1.0, 1)
    step = replace(lecture().steps[0], reads=evil, words=[word], writes=word)
    found = lecture(source=evil, translation=evil, source_tokens=[evil, "go"], steps=[step])
    lines = as_text(found, has_colours=has_colours).splitlines()
    shown = [line for line in lines if "\\u001b[2J" in line]
    assert len(shown) == 6
    assert evil not in "".join(lines)
    (place,) = (line for line in lines if "-0.76" in line)
    (other,) = (line for line in lines if "-0.01" in line and "go" in line)
    assert place.index("[-0.76") == other.index("[ 0.01")


def test_text_by_hand() -> None:
    assert as_text(lecture()) == (
        """let's go → vamos

  found by  GreedySearch()
  source    let's go
  ⏎         the end token (EOS)
  query q   current: the output of the top cell in this step
  key k     the output of the encoder for a token
  score     dot: q . k
  share     softmax: exp(score), divided by the sum over all tokens
  sum       the sum of each k times its share
  cosine    another score of the same q and k, for comparison
  next      the probability of each of 6 tokens, by a softmax

Step 1 of 2: the decoder reads ⏎

     q      [ 0.91  0.38]
     token  k              cosine  score    share
  1  let's  [-0.76  0.75]   -0.39  -0.41   39.8 %  ████████
  2  go     [ 0.01 -0.01]    0.48   0.01   60.2 %  ████████████
     sum    [-0.30  0.29]                 100.0 %

  next   likely
  vamos  75.0 %  ███████████████
  ir     25.0 %  █████

  It writes vamos. This is not the end token, so decoding continues.
"""
    )


def test_colours_change_nothing_else() -> None:
    plain, painted = as_text(lecture()), as_text(lecture(), has_colours=True)
    assert "\x1b[" not in plain
    assert painted.count("\x1b[") > 20
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain


def test_a_long_source_stays_readable() -> None:
    found = one_of("dot")[1].only(1)
    look = found.steps[0].look
    assert look is not None
    lines = as_text(found, rows=3).splitlines()
    start = next(i for i, line in enumerate(lines) if "token  k" in line)
    shown = [int(line.split()[0]) - 1 for line in lines[start + 1 : start + 4]]
    assert shown == sorted(np.argsort(-look.shares)[:3])
    rest = 100 * (1.0 - look.shares[shown].sum())
    assert lines[start + 5].strip() == f"And 6 more, {rest:.1f} % together (--rows shows more)."
    assert "more" not in as_text(found, rows=len(look.shares)).split("Step 1")[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("general", ["score general: g (q . (k W)) share softmax: exp(score)", "g learned: "]),
        ("heads", ["score 3 share 3 share 1 a", "3, each with its own q, k and W and sum"]),
        (
            "monotonic",
            ["monotonic (score_bias_init=1.0): no softmax", "r learned: ", "attends to nothing"],
        ),
        ("location", ["sparsemax: no softmax", "with location features", "between: "]),
    ],
)
def test_a_mechanism_is_named(kind: str, said: list[str]) -> None:
    text = " ".join(as_text(one_of(kind)[1]).split())
    for words in said:
        assert words in text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(made_once(tmp_path_factory, "runs/toy", toy_run))


def test_the_program(
    run: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = explained(ka.Translator.from_run(run.path), TEXT)
    assert explain.main([str(run.path), TEXT]) == 0
    assert capsys.readouterr().out == as_text(expected)

    picture = tmp_path / "made" / "steps.svg"
    arguments = ["--step", "1", "--words", "2", "--json", "--svg", str(picture)]
    assert explain.main([str(run.path), *arguments, TEXT]) == 0
    document = json.loads(capsys.readouterr().out)
    (step,) = document["steps"]
    look = expected.steps[0].look
    assert look is not None
    assert step["look"]["shares"] == look.shares.tolist()
    assert step["look"]["heads"][0]["scores"] == look.heads[0].scores.tolist()
    assert [word["token"] for word in step["words"]] == [
        word.token for word in expected.steps[0].words[:2]
    ]
    texts = ["".join(node.itertext()).strip() for node in ElementTree.parse(picture).iter()]
    written = f"{100 * look.shares[0]:.1f} %, score {look.heads[0].scores[0]:.2f}"
    assert {*expected.source_tokens, written, "Step 1: it reads <s>"} <= set(texts)

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value, is_coloured in (("TERM", "xterm", True), ("NO_COLOR", "1", False)):
        monkeypatch.setenv(name, value)
        assert explain.main([str(run.path), TEXT]) == 0
        assert ("\x1b[" in capsys.readouterr().out) == is_coloured


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([" "], "The text must not be empty. Received: ' '"),
        (["a" * 13], "Text 1 has 14 tokens including the end token, but the model takes 13"),
        (["a", "--step", "99"], r"--step must be between 1 and "),
        (["a", "--svg", "a.png"], "--svg must name a file that ends in .svg. Received: a.png"),
    ],
)
def test_errors_of_use(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert explain.main([str(run.path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_pairs_in_a_recipe_are_all_that_there_is() -> None:
    task = task_of(load_config("lecture", ['data.pairs=[[to go, ir], ["let\'s go", vamos]]']).data)
    assert isinstance(task, Texts)
    pairs = [("to go", "ir"), ("let's go", "vamos")]
    for some in (task.training_pairs(3), task.validation_pairs(), task.held_out_pairs()):
        assert list(some) == pairs
    assert [list(side) for side in task.tokenizer_text()] == [
        ["to go", "let's go"],
        ["ir", "vamos"],
    ]
    assert task.metric(["ir", "vamo"], [["ir"], ["vamos"]]) == 0.5
    task.keep_training_pairs(lambda pairs: list(pairs)[:1])
    assert len(task.training_pairs(0)) == 1


@pytest.mark.thorough
def test_the_lecture_is_learned(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    tf.config.run_functions_eagerly(False)
    out = str(tmp_path / "lecture")
    assert train.main(["--recipe", "lecture", "--out", out]) == 0
    assert b"best val_exact_match 1.0000" in capsysbinary.readouterr().out
    lines = tmp_path / "in.txt"
    lines.write_text("let's go\nto go\nlet's eat\nto eat\n")
    with lines.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert translate.main([out]) == 0
    assert capsysbinary.readouterr().out == b"vamos\nir\ncomamos\ncomer\n"
    assert explain.main([out, "let's go", "--json"]) == 0
    found = json.loads(capsysbinary.readouterr().out)
    assert [step["reads"] for step in found["steps"]] == ["⏎", "vamos"]
    assert [step["writes"]["token"] for step in found["steps"]] == ["vamos", "⏎"]
    assert found["source_tokens"] == ["let's", "go", "⏎"]
    assert np.shape(found["encoded"]) == (3, 2)
    assert evaluate.main([out]) == 0
    assert b"sequence error rate  0.00% " in capsysbinary.readouterr().out
