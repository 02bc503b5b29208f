"""The page docs/play computes what Keras computes, at every step and with every knob."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.browser.chromium import needs_chromium
from tests.browser.playing import PAGE, in_keras, play
from tests.variants import variants
from training.dates import TARGET_CHARACTERS, generate, source_characters
from training.fitting.tokenizers import learned_tokenizers
from training.playing.commands import pairs, translated
from training.playing.weights import read_models, restored
from training.recipes.reading import load_config

pytestmark = needs_chromium
STORED = read_models(PAGE.parent / "weights.js")
SCORES = {"dot", "scaled_dot", "cosine", "general", "additive", "none"}
DECODE = """({task, score, sources, knobs, forced}) => {
  const model = modelOf(score, STORED[task].models[score]);
  return sources.map((source, n) => {
    const weights = (t) => forced && (() => forced[n][t % forced[n].length]);
    const mask = source.map((_, j) => j !== knobs.hidden);
    const knobsOf = (t) => ({ mask, temperature: knobs.temperature, weights: weights(t) });
    return decode(model, source, 60, knobsOf).steps.map((step) => ({
      writes: step.writes, scores: step.scores, weights: step.weights,
      context: step.context, logits: step.logits,
    }));
  });
}"""
KNOBS: list[dict[str, Any]] = [
    {"forces": True},
    {"temperature": 0.3},
    {"temperature": 0},
    {"temperature": 7.0},
    {"hidden": 1},
]


def sentences(task: str, count: int) -> list[list[int]]:
    """Ids of random sentences that the models have not seen, with the end token."""
    ids = {piece: i for i, piece in enumerate(STORED[task]["source"])}
    if task == "play-commands":
        rows = [[f"␣{word}" for word in source.split()] for source, _ in pairs(count, seed=5)]
    elif task == "play-dates":
        dates = generate("test", count, seed=5)
        rows = [list(date.source.lower().replace(" ", "␣")) for date in dates]
    else:
        rng = np.random.default_rng(5)
        rows = [list(rng.choice(list(ids)[4:], rng.integers(1, 6))) for _ in range(count)]
    return [[*(ids[piece] for piece in row), 2] for row in rows]


def assert_equal(
    folder: Path, task: str, count: int, knobs: list[dict[str, Any]], tolerances: dict[str, float]
) -> None:
    """Assert that page and Keras agree on every number, for all models of a task that have it."""
    sources = sentences(task, count)
    rng = np.random.default_rng(7)
    shares = [rng.dirichlet(np.full(len(ids), 0.3), 5).tolist() for ids in sources]
    jobs = [
        {"task": task, "score": score, "sources": sources, "knobs": knob}
        | {"forced": shares if "forces" in knob else None}
        for score in STORED[task]["models"]
        for knob in knobs
        if score != "none" or not knob
    ]
    actions = [["evaluate", f"({DECODE})({json.dumps(job)})"] for job in jobs]
    _, *decoded = play(folder, ["open"], *actions)
    for job, found in zip(jobs, decoded, strict=True):
        assert_as_in_keras(job, found, tolerances)


def assert_as_in_keras(job: dict[str, Any], decoded: Any, tolerances: dict[str, float]) -> None:
    written = [[step["writes"] for step in steps] for steps in decoded]
    forced = job["forced"] and [
        [shares[t % 5] for t in range(len(row))]
        for shares, row in zip(job["forced"], written, strict=True)
    ]
    knobs = {name: value for name, value in job["knobs"].items() if name != "forces"}
    for dtype, tolerance in tolerances.items():
        model = restored(STORED[job["task"]]["models"][job["score"]], dtype)
        expected = in_keras(model, job["sources"], written, forced, **knobs)
        for n, steps in enumerate(decoded):
            clear = np.full(len(steps), True)
            if knobs.get("temperature") == 0:  # of two equal scores, either is the largest
                two = np.sort(expected["scores"][n, : len(steps), : len(job["sources"][n])])[:, -2:]
                clear = two[:, 1] - two[:, 0] > 1e-6
            for name, values in expected.items():
                found = np.array([step[name] for step in steps])[clear]
                wanted = values[n, : len(steps), : found.shape[1]][clear]
                most = tolerance * abs(wanted).max(initial=1.0)  # what sums of such numbers lose
                np.testing.assert_allclose(found, wanted, rtol=0, atol=most, err_msg=name)
            words = expected["logits"][n, : len(steps)].argmax(-1)
            assert (words == written[n])[clear].all()


@variants("task", STORED)
def test_every_model_computes_what_keras_computes(tmp_path: Path, task: str) -> None:
    assert set(STORED[task]["models"]) == SCORES
    assert_equal(tmp_path, task, 200, [{}], {"float32": 3e-5, "float64": 1e-9})


@variants("task", STORED)
def test_and_with_its_knobs_turned(tmp_path: Path, task: str) -> None:
    assert_equal(tmp_path, task, 40, KNOBS, {"float64": 1e-9})


def test_it_reads_texts_as_the_tokenizers_do(tmp_path: Path) -> None:
    commands = [source for source, _ in pairs(30_000, seed=1)]
    texts = {
        "play-commands": [*commands[:50], "Don't  EAT the", "eat the old unseen burger now"],
        "play-dates": [date.source for date in generate("test", 200, seed=5)] + ["日日日 1989"],
    }
    learned_from = {
        "play-commands": (commands, [" ".join(translated(x.split())) for x in commands]),
        "play-dates": ([" ".join(source_characters())], [TARGET_CHARACTERS]),
    }
    for task, some in texts.items():
        tokenizer = learned_tokenizers(load_config(task).text, *learned_from[task])[0]
        code = (
            f"{json.dumps(some)}.map((text) => tokenize(text, STORED['{task}']).map((x) => x.id))"
        )
        _, found = play(tmp_path, ["open"], ["evaluate", code])
        pieces = [[STORED[task]["source"][i] for i in ids] for ids in found]
        assert pieces == [tokenizer.pieces([*ids, 2]) for ids in tokenizer.encode(some)]


def test_its_right_answers_are_right(tmp_path: Path) -> None:
    some = [source.split() for source, _ in pairs(200, seed=5)]
    _, found = play(
        tmp_path,
        ["open"],
        ["evaluate", f"{json.dumps(some)}.map((x) => COMMANDS.test(x.join(' ')) && translated(x))"],
    )
    assert found == [translated(words) for words in some]
