"""The comparison of what is deployed, without its peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import keras_attention as ka
from benchmarks.deployed.quality import table, translations
from benchmarks.deployed.sides import claim, read_each_step, sides
from benchmarks.deployed.speed import JOEYNMT, MEMORY, cases, name, read_by_peers, rival, rows
from benchmarks.deployed.transformer import write_text
from benchmarks.environments import Peer
from benchmarks.own_model import never_end
from benchmarks.run import Timing, measure
from benchmarks.workloads import READ, Case
from keras_attention.text.runs import RunDirectory
from tests.export.toy import MAX_TARGET, texts, toy_model

ENDED = Case("W1", "greedy", length=5, batch=2, vocabulary=20, threads=1, steps=MAX_TARGET)


def timing(*turns: float) -> Timing:
    return Timing(list(turns), list(turns), peak=7.0, versions="", load=0.25)


@pytest.fixture(scope="module")
def artefact(exported: Path) -> Peer:
    return sides(exported)["ONNX Runtime float32"]


@pytest.mark.parametrize("changes", [{}, {"attention_layer_units": 7, "tie_embeddings": "output"}])
def test_weights_that_never_end(changes: dict[str, object]) -> None:
    model = toy_model(**changes)
    never_end(model)
    if changes:  # without a bias, the end is what the start is: never a target
        rows = np.array(model.target_embedding.embeddings)
        assert (rows[2] == rows[1]).all()
    else:
        found = model.generate(np.array([[5, 7, 2], [9, 2, 0]]), ka.BeamSearch(3), max_length=13)
        assert (np.array(found.lengths) == 13).all()


def test_a_folder_is_of_one_model(run: RunDirectory, tmp_path: Path) -> None:
    work, other = tmp_path / "work", RunDirectory(tmp_path)
    claim(work, run)
    claim(work, run)
    other.model_file.write_bytes(b"another")
    with pytest.raises(ValueError, match="was made from another model"):
        claim(work, other)


def test_what_a_step_reads() -> None:
    model = toy_model()
    lstm = (7 + 10 + 11) * 44 + 44  # embedding, context and state to four gates
    attention = 11 * 6 + 6  # the query, and v; the keys are made once
    assert read_each_step(model) == 4 * (lstm + attention + (11 + 10) * 29 + 29)


def test_the_worker_translates_as_keras_does(run: RunDirectory, artefact: Peer) -> None:
    translator = ka.Translator.from_run(run.path)
    some = texts(5)
    sources = translator.source_tokenizer.encode(some)
    found = translator.target_tokenizer.decode(translations(artefact, "greedy", sources))
    assert found == [result.text for result in translator(some, search=ka.GreedySearch())]


def test_a_search_that_ends_early_is_no_measurement(
    artefact: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not measure(ENDED, {"ours": artefact}, turns=1)
    assert "Expected 11 tokens" in capsys.readouterr().err


def test_the_memory_of_a_worker_is_its_own() -> None:
    case = Case("W1", "greedy", threads=2)
    found = measure(case, {MEMORY: Peer("memory_pace")}, turns=1, seconds=0.0, least=2)[MEMORY]
    assert 0.9 * READ < found.peak * 2**20 < 1.5 * READ
    assert len(found.runs) == 2
    assert found.load > 0


def test_rows() -> None:
    case = Case("W1", "greedy", length=18, batch=1, vocabulary=4000, threads=1, steps=100)
    timings = {
        "LiteRT float32": timing(0.02, 0.02, 0.04),
        "LiteRT float16": timing(0.01, 0.01, 0.01),
        "LiteRT int8": timing(0.01, 0.01, 0.01),
        "CTranslate2 float32": timing(0.03, 0.06, 0.06),
        "CTranslate2 int8": timing(0.005, 0.005, 0.005),
        MEMORY: timing(0.1, 0.1, 0.1),
    }
    read = {"LiteRT float32": READ // 1000}
    cells = [[x.strip() for x in row.split("|")[2:-1]] for row in rows(case, timings, read)]
    # A step reads a thousandth in a hundredth of 20 ms, the memory all in 100 ms: one half.
    assert cells[0] == ["LiteRT float32", "0.200", "0.200 to 0.400", "1.50x", "250", "7", "50 %"]
    assert [row[3] for row in cells] == ["1.50x", "6.00x", "0.50x", "", "", ""]
    assert cells[-1][0] == f"{MEMORY} reads {READ / 1e8:.1f} GB/s"


def test_rivals() -> None:
    timings = {side: timing(1.0) for side in ("CTranslate2 float32", "CTranslate2 int8")}
    assert rival("ONNX Runtime int8", timings) == "CTranslate2 int8"
    assert rival("ONNX Runtime float16", timings) == "CTranslate2 float32"
    assert rival(JOEYNMT, timings) == "CTranslate2 float32"
    assert rival("CTranslate2 int8", timings) is None
    assert rival("ONNX Runtime int8", {}) is None


def test_cases_do_the_same_work() -> None:
    found = list(cases(vocabulary=4000, steps=96))
    assert len({name(case) for case in found}) == len(found) == 8
    assert {(case.length, case.steps, case.vocabulary) for case in found} == {(18, 96, 4000)}
    assert {case.tokens for case in found} == {96, 32 * 96}


def test_what_peers_read() -> None:
    read = read_by_peers(vocabulary=4000)
    assert read["CTranslate2 float32"] == 4 * (3 * 14 * 256**2 + 256 * 4000)
    assert read[JOEYNMT] == 4 * (4 * 512 * 1280 + 512**2 + 1024 * 512 + 512 * 4000)


def test_bleu_is_lower_cased_and_paired() -> None:
    references = [["A man sleeps on the grass ."], ["Two dogs run along the beach ."]]
    right = [texts[0].lower() for texts in references]
    wrong = ["a man sleeps in the sun .", "two dogs run along the beach ."]
    outputs = {("ours", "beam"): right, ("same", "beam"): right, ("other", "beam"): wrong}
    lines = table(outputs, references)
    assert lines[2] == "| ours | beam | 100.0 [100.0, 100.0] |  |"
    assert lines[3] == "| same | beam | 100.0 [100.0, 100.0] | 0.0 [0.0, 0.0] |"
    assert lines[4].startswith("| other | beam | ")
    assert "case:lc" in lines[-1]


def test_words_of_the_transformer_are_our_ids(run: RunDirectory, tmp_path: Path) -> None:
    corpus, folder = tmp_path / "multi30k", tmp_path / "text"
    corpus.mkdir()
    for part in ("train", "val"):
        (corpus / f"{part}.de").write_text("abba\nb a\n", encoding="utf-8")
        (corpus / f"{part}.en").write_text("ΑΒ\nΓ\n", encoding="utf-8")
    write_text(run, corpus, folder)
    source, target = run.tokenizers()
    lines = (folder / "train.source").read_text(encoding="utf-8").splitlines()
    assert [list(map(int, line.split())) for line in lines] == source.encode(["abba", "b a"])
    words = (folder / "vocabulary.target").read_text(encoding="utf-8").split()
    assert words == [str(i) for i in range(4, target.vocabulary_size)]
