from __future__ import annotations

import io
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import numpy_helper

from export import summary
from export.assets.archive import attach
from export.verify.__main__ import main
from export.verify.answers import read_expected
from export.verify.compare import compare
from export.verify.inputs import read_config
from export.verify.report import with_table
from keras_attention.backend import tensorflow_workspace
from keras_attention.export.runtimes.runner import FAILED, HOST_LOOP, Arrays, Job
from keras_attention.export.runtimes.runner import main as runner_main
from keras_attention.export.serving import ServingModule
from keras_attention.export.tflite import export_tflite
from keras_attention.text.runs import RunDirectory
from tests import hostile
from tests.export.toy import BEAM, MAX_TARGET
from tests.variants import variants


def archive_of(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


INPUTS = 53 + 3
FOREIGN = b'{"artefacts": {"onnx": ["model.onnx"]}, "versions": {"onnx": "1.0"}}'
WITHOUT_HEADER = archive_of({"000/source.npy": b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4"})
NEWER = FOREIGN.replace(b'"onnx": "1.0"', b'"keras-seq2seq-attention": "99.0"')


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    """A copy of an export that a test may break; to be quick, a test uses one of its formats."""
    shutil.copytree(exported, tmp_path / "out")
    return tmp_path / "out"


def edit_config(out: Path, change: Callable[[dict], dict]) -> None:
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["artefacts"] = change(config["artefacts"])
    path.write_text(json.dumps(config), encoding="utf-8")


def keep(out: Path, kind: str, *files: str) -> None:
    edit_config(out, lambda artefacts: {kind: list(files) or artefacts[kind]})


def edit_reference(out: Path, **arrays: Callable[[np.ndarray], np.ndarray]) -> None:
    with np.load(out / "reference.npz") as stored:
        content = dict(stored)
    for key, change in arrays.items():
        content[key] = change(content[key].copy())
    np.savez(out / "reference.npz", **content)


def results(out: Path) -> dict[tuple[str, str], dict]:
    verification = json.loads((out / "verification.json").read_text(encoding="utf-8"))
    return {(row["runtime"], row["signature"]): row for row in verification["rows"]}


def test_every_artefact_in_its_runtime(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(out)]) == 0
    rows = results(out)
    on_ids = ["greedy", "beam", HOST_LOOP]
    assert list(rows) == [
        ("TensorFlow", "translate"),
        *(("TensorFlow", name) for name in on_ids),
        ("OpenVINO", "greedy"),
        *(("LiteRT", name) for name in on_ids),
        ("ONNX Runtime", "greedy"),
        ("ONNX Runtime", "beam"),
        ("ONNX Runtime", "translate"),
        ("ONNX Runtime", "score"),
    ]
    for (_, signature), row in rows.items():
        inputs = 53 if signature == "translate" else INPUTS
        assert (row["comparison"]["inputs"], row["comparison"]["equal"]) == (inputs, inputs)
        assert row["comparison"]["score_difference"] < 1e-4
        if signature == "score":
            assert row["comparison"]["nats_off"] < 1e-4
        else:
            assert row["comparison"]["attention_difference"] < 1e-4
        assert 0 < row["latency_ms"] < 1000
        assert row["size_bytes"] > 10_000
    printed = capsys.readouterr().out
    assert printed.count("| ok ") == len(rows)
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert printed.strip() in readme
    assert "Not verified yet" not in readme
    assert str(out) not in readme + (out / "verification.json").read_text()
    words, good = summary.summary(out)
    assert good
    assert printed.strip() in words
    assert "All artefacts match the Keras model." in words
    example = json.loads((out / "examples.json").read_text(encoding="utf-8"))[0]
    assert f"->  {example['target']}" in words
    assert f"{out / 'tflite' / 'model.tflite'}" in words


def flip_a_weight(path: Path) -> None:
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    largest.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(largest), largest.name))
    onnx.save(model, path)


@pytest.mark.parametrize("name", ["greedy", "score"])
def test_flipped_weights_differ(out: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    keep(out, "onnx", f"onnx/{name}.onnx", "onnx/beam.onnx")
    flip_a_weight(out / "onnx" / f"{name}.onnx")
    assert main([str(out)]) == 1
    rows = results(out)
    assert not rows["ONNX Runtime", name]["passed"]
    assert rows["ONNX Runtime", "beam"]["passed"]
    captured = capsys.readouterr()
    assert "DIFFERS" in captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: onnx/{name}.onnx ({name}) differs from the Keras model: ")
    assert summary.main([str(out)]) == 1
    printed = capsys.readouterr().out
    assert "Some artefacts do NOT match the Keras model." in printed
    assert "DIFFERS" in printed


@pytest.mark.parametrize(
    ("kind", "file", "runtime"),
    [
        ("onnx", "onnx/beam.onnx", "ONNX Runtime"),
        ("tflite", "tflite/model.tflite", "LiteRT"),
    ],
)
@variants("damage", ["truncated", "foreign", "empty"])
def test_files_that_do_not_open(
    out: Path, capsys: pytest.CaptureFixture[str], kind: str, file: str, runtime: str, damage: str
) -> None:
    keep(out, kind, file)
    whole = (out / file).read_bytes()
    content = {"truncated": whole[: len(whole) // 8], "foreign": b"a shopping list\n" * 999}
    (out / file).write_bytes(content.get(damage, b""))
    assert main([str(out)]) == 1
    captured = capsys.readouterr()
    assert "FAILED" in captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {file} does not run in {runtime}: ")


def test_a_tflite_file_whose_archive_is_cut(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(out, "tflite")
    path = out / "tflite" / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1000])
    assert main([str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: tflite/model.tflite has no readable archive of tokenizers and ")


def test_a_tflite_file_whose_archive_is_hostile(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(out, "tflite")
    path = out / "tflite" / "model.tflite"
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("config.json", b"[" * 10**5)
    assert main([str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: tflite/model.tflite has no readable archive of tokenizers and ")


def test_a_tflite_file_with_the_tokenizers_of_another_model(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(out, "tflite")
    (out / "source.model").write_bytes((out / "target.model").read_bytes())
    assert main([str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line == "error: tflite/model.tflite contains a source.model that differs from the export's"
    )


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="allocations are seen on Linux only")
def test_a_tflite_file_whose_workspace_grows(
    out: Path,
    run: RunDirectory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(out, "tflite")
    path = out / "tflite" / "model.tflite"
    with zipfile.ZipFile(path) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    monkeypatch.setattr(tensorflow_workspace, "reserve_workspace", lambda *_: 0.0)
    attach(export_tflite(ServingModule(run.model(), MAX_TARGET, BEAM, batch_size=1), path), inside)
    assert main([str(out)]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("FAILED") == 3
    (line,) = captured.err.splitlines()
    problem = (
        "error: tflite/model.tflite (may give|gives) wrong outputs in LiteRT for growing sources: "
    )
    assert re.match(problem, line)


def test_growing_sources_reach_from_the_shortest_to_the_longest(out: Path) -> None:
    growing = read_expected(out, read_config(out)).growing(17)
    sources = [batch["source"] for batch in growing.values()]
    lengths = [source.shape[1] for source in sources]
    assert lengths == sorted(set(lengths))
    assert (len(lengths), lengths[0], lengths[-1]) == (8, 1, 17)
    assert all(source[0, -1] == 2 and (source != 0).all() for source in sources)


@pytest.mark.thorough
def test_a_saved_model_without_its_variables(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(out, "saved_model", "saved_model/toy-ids/1")
    shutil.rmtree(out / "saved_model" / "toy-ids" / "1" / "variables")
    assert main([str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    for line, runtime in zip(lines, ("TensorFlow", "OpenVINO"), strict=True):
        assert line.startswith(f"error: saved_model/toy-ids/1 does not run in {runtime}: ")


def test_a_missing_artefact(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(out, "onnx")
    (out / "onnx" / "beam.onnx").unlink()
    assert main([str(out)]) == 1
    assert capsys.readouterr().err == "error: onnx/beam.onnx is missing\n"
    assert results(out)["ONNX Runtime", "greedy"]["passed"]


@pytest.mark.thorough
@variants("name", ["ids", "scores", "lengths", "attention"])
def test_an_altered_reference_differs_unless_keras_answers_anew(
    out: Path, run: RunDirectory, name: str
) -> None:
    def alter(array: np.ndarray) -> np.ndarray:
        array[3, 0, ...] += 1 if array.dtype.kind == "i" else 2e-4
        return array

    keep(out, "onnx")
    edit_reference(out, **{f"001/beam/{name}": alter})
    assert main([str(out)]) == 1
    assert results(out)["ONNX Runtime", "greedy"]["passed"]
    comparison = results(out)["ONNX Runtime", "beam"]["comparison"]
    is_exact = name in ("ids", "lengths")
    assert comparison["equal"] == INPUTS - is_exact
    if not is_exact:
        assert 1e-4 < comparison[f"{name.removesuffix('s')}_difference"] < 3e-4
    if name == "scores":
        edit_reference(out, **{"001/beam/scores": lambda x: np.full_like(x, np.nan)})
        assert main([str(out)]) == 1
        assert results(out)["ONNX Runtime", "beam"]["comparison"]["score_difference"] == "infinite"
    if name == "ids":
        assert main([str(out), "--run", str(run.path)]) == 0


def without_scores(out: Path) -> None:
    with np.load(out / "reference.npz") as stored:
        kept = {key: x for key, x in stored.items() if "/score/" not in key}
    np.savez(out / "reference.npz", **kept)


def test_an_export_from_before_there_were_scores(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(out, "onnx", "onnx/greedy.onnx")
    without_scores(out)
    assert main([str(out)]) == 1
    path = out.resolve() / "reference.npz"
    message = f"error: {path} does not contain inputs with greedy and beam and score outputs\n"
    assert capsys.readouterr().err == message
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    del config["signatures"]["score"]
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main([str(out)]) == 0
    assert list(results(out)) == [("ONNX Runtime", "greedy")]
    keep(out, "onnx", "onnx/score.onnx")
    capsys.readouterr()
    assert main([str(out)]) == 1
    assert "config.json names onnx/score.onnx, whose function must be" in capsys.readouterr().err


def test_errors_of_opposite_sign_do_not_cancel(out: Path) -> None:
    expected = read_expected(out, read_config(out))
    signs = np.resize([1, -1], INPUTS)
    rows = iter(signs)
    found = {
        number: {"log_probabilities": answer["log_probabilities"].copy()}
        for number, answer in expected.answers["score"].items()
    }
    for number, batch in expected.scored.items():
        for row, target in zip(found[number]["log_probabilities"], batch["target"], strict=True):
            row[0] += 0.03 * next(rows) * (target != 0).sum()
    assert expected.losses("score", found) == {"nats_off": pytest.approx(0.03, rel=1e-3)}


@pytest.mark.parametrize(("margin", "passed"), [(1.9e-4, True), (2.1e-4, False)])
def test_what_rounding_decides_is_no_difference(
    out: Path, capsys: pytest.CaptureFixture[str], margin: float, passed: bool
) -> None:
    def other(array: np.ndarray) -> np.ndarray:
        array[3, 0] += 1
        return array

    def close(array: np.ndarray) -> np.ndarray:
        assert array.shape == (32,)
        array[3] = margin
        return array

    keep(out, "onnx", "onnx/beam.onnx")
    edit_reference(
        out, **{"001/beam/ids": other, "001/beam/scores": other, "001/beam/margin": close}
    )
    assert main([str(out)]) == (0 if passed else 1)
    comparison = results(out)["ONNX Runtime", "beam"]["comparison"]
    assert (comparison["equal"], comparison["tied"]) == (INPUTS - 1, int(passed))
    assert (comparison["score_difference"] < 1e-4) == passed
    printed = capsys.readouterr()
    assert ("| ok, 1 tied |" in printed.out) == passed
    assert (
        "note: An input is tied if hypotheses of the Keras model itself" in printed.err
    ) == passed
    assert ("differs from the Keras model: 1 of 56 inputs" in printed.err) != passed


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("reference.npz", None, "reference.npz is missing"),
        ("reference.npz", b"PK\x03\x04 half", "reference.npz cannot be read: "),
        ("reference.npz", b"words", "reference.npz cannot be read: "),
        ("reference.npz", WITHOUT_HEADER, "reference.npz cannot be read: "),
        ("config.json", None, "config.json is missing"),
        ("config.json", b"{", "config.json is not valid JSON: "),
        ("config.json", b"{}", "config.json does not belong to an export: it names no artefacts"),
        (
            "config.json",
            FOREIGN,
            "config.json does not say which version of keras-seq2seq-attention",
        ),
        (
            "config.json",
            NEWER,
            "config.json was written by keras-seq2seq-attention 99.0, not as this version writes",
        ),
        ("examples.json", b"[1,", "examples.json is not valid JSON: "),
        ("target.model", None, "target.model cannot be read: "),
        ("target.model", b"words", "target.model cannot be read: "),
    ],
)
def test_nothing_to_compare_with(
    out: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes | None, message: str
) -> None:
    (out / file).unlink()
    if content is not None:
        (out / file).write_bytes(content)
    assert main([str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out.resolve() / message}")


def test_examples_of_another_model(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out / "examples.json"
    examples = json.loads(path.read_text(encoding="utf-8"))
    examples[5]["target"] += "x"
    path.write_text(json.dumps(examples), encoding="utf-8")
    assert main([str(out)]) == 1
    message = f"the example {examples[5]['source']!r} differs from the Keras model's output"
    assert message in capsys.readouterr().err


@pytest.mark.thorough
def test_texts_of_ones_own(out: Path, run: RunDirectory, tmp_path: Path) -> None:
    keep(out, "onnx")
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_text("abc\njilk é 12\nhello 0\n", encoding="utf-8")
    target.write_text("ΑΒΓ\nΔΕ\nΖ\n", encoding="utf-8")
    given = ["--run", str(run.path), "--data", str(source), str(target), "--strict"]
    assert main([str(out), *given]) == 0
    rows = results(out)
    equal = {key: row["comparison"]["equal"] for key, row in rows.items()}
    assert equal == {
        ("Keras", "greedy"): 3 + 3,
        ("Keras", "beam"): 3 + 3,
        ("Keras", "score"): 3 + 3,
        ("ONNX Runtime", "greedy"): 3 + 3,
        ("ONNX Runtime", "beam"): 3 + 3,
        ("ONNX Runtime", "translate"): 3,
        ("ONNX Runtime", "score"): 3 + 3,
    }
    assert rows["Keras", "greedy"]["comparison"]["bleu"] is not None
    assert str(tmp_path) not in (out / "verification.json").read_text(encoding="utf-8")


def test_texts_that_cannot_be_verified(
    out: Path, run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(out, "onnx")
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_text("abc\njilk é 12\nhello 0\n", encoding="utf-8")
    target.write_text("ΑΒΓ\n", encoding="utf-8")
    assert main([str(out), "--run", str(run.path), "--data", str(source), str(target)]) == 1
    assert (
        f"{source} and {target} must have the same number of lines. Received: 3 and 1"
        in capsys.readouterr().err
    )
    source.write_text("abc\n\nabc\n", encoding="utf-8")
    assert main([str(out), "--data", str(source), "--run", str(run.path)]) == 1
    assert f"{source}, line 2 must have 1 to 12 tokens. Received: 0" in capsys.readouterr().err
    source.write_text("", encoding="utf-8")
    assert main([str(out), "--data", str(source), "--run", str(run.path)]) == 1
    assert f"{source} has no lines" in capsys.readouterr().err
    for data, message in (
        (b"abc\na\0b\n", f"{source}, line 2 contains NUL characters"),
        (b"abc\nabc\n\xe9\n", f"{source}, line 3 is not UTF-8"),
        ("abc\n".encode("utf-16"), f"{source} is UTF-16, but text must be UTF-8"),
    ):
        source.write_bytes(data)
        assert main([str(out), "--data", str(source), "--run", str(run.path)]) == 1
        assert message in capsys.readouterr().err
    assert main([str(out), "--data", str(source)]) == 1
    assert "--data requires the run directory: add --run RUN" in capsys.readouterr().err


def test_a_browser_that_is_not_there(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(out, "onnx", "onnx/greedy.onnx")
    monkeypatch.setenv("PATH", "")
    assert main([str(out), "--browser"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: browser does not run in a browser: RuntimeError: no browser found: "
    )


def test_a_runtime_that_needs_what_it_should_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def opener(path: str, signature: str, threads: int) -> Callable[..., Arrays]:
        return lambda source: {"ids": source}

    for name in ("inputs", "timed"):
        np.savez(tmp_path / f"{name}.npz", **{"000/source": np.array([[5, 2]])})
    paths = {name: str(tmp_path / f"{name}.npz") for name in ("inputs", "timed", "outputs")}
    job = Job("x", ("greedy",), **paths, threads=1, start_id=1, end_id=2, max_length=3)
    job.write(tmp_path / "job.json")
    arguments = [str(tmp_path / "job.json")]
    assert runner_main(opener, forbidden=["a_module_nobody_has"], arguments=arguments) == 0
    assert runner_main(opener, forbidden=["keras"], arguments=arguments) == FAILED
    assert capsys.readouterr().err == "RuntimeError: the runtime must not import keras\n"


def answers(**changes: np.ndarray) -> dict[str, Arrays]:
    arrays = {
        "ids": np.array([[[5, 2, 0]], [[7, 2, 0]]], "int32"),
        "lengths": np.array([[2], [2]], "int32"),
        "scores": np.array([[-0.5], [-np.inf]], "float32"),
    }
    return {"000": {**arrays, **changes}}


def test_comparison_of_equal_answers() -> None:
    comparison = compare(answers(), answers())
    assert (comparison.inputs, comparison.equal, comparison.score_difference) == (2, 2, 0.0)
    assert comparison.attention_difference is None
    assert comparison.passed


@pytest.mark.parametrize(
    ("changes", "equal", "difference"),
    [
        ({"ids": np.array([[[5, 2, 0]], [[7, 2, 4]]], "int32")}, 1, 0.0),
        ({"lengths": np.array([[3], [2]], "int32")}, 1, 0.0),
        ({"scores": np.array([[-0.25], [-np.inf]], "float32")}, 2, 0.25),
        ({"scores": np.array([[-0.5], [np.nan]], "float32")}, 2, np.inf),
        ({"scores": np.array([[-0.5], [-3.0]], "float32")}, 2, np.inf),
    ],
)
def test_comparison_of_other_answers(changes: dict, equal: int, difference: float) -> None:
    comparison = compare(answers(), answers(**changes))
    assert not comparison.passed
    assert comparison.equal == equal
    assert comparison.score_difference == pytest.approx(difference)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"000": {"ids": np.zeros((2, 1, 3), "int32")}}, "has no output `lengths`"),
        ({}, "has no output `ids`"),
        (answers(ids=np.zeros((2, 1, 4), "int32")), "of shape (2, 1, 4), expected (2, 1, 3)"),
        (answers(ids=np.zeros((2, 1, 3), "float32")), "type float32, expected int32"),
    ],
)
def test_answers_of_another_form(found: dict, problem: str) -> None:
    comparison = compare(answers(), found)
    assert not comparison.passed
    assert problem in str(comparison.problem)


def test_the_table_replaces_the_one_before() -> None:
    marked = "# A\n\n<!-- verification -->\nold\n<!-- /verification -->\n\nB\n"
    once = with_table(marked, "new")
    assert once == "# A\n\n<!-- verification -->\nnew\n<!-- /verification -->\n\nB\n"
    assert with_table(once, "new") == once
    appended = with_table("# A\n", "new")
    assert appended == "# A\n\n<!-- verification -->\nnew\n<!-- /verification -->\n"
    assert with_table(appended, "newer").count("verification") == 2


@pytest.mark.parametrize("way", hostile.WAYS)
def test_nothing_of_a_hostile_saved_model_runs(
    out: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, way: str
) -> None:
    keep(out, "saved_model", "saved_model/toy-ids/1")
    path, written = out / "saved_model" / "toy-ids" / "1", tmp_path / "written"
    shutil.rmtree(path)
    spec = tf.TensorSpec([None, None], tf.int32, name="source")
    hostile.saved_model(way, path, written, spec, "greedy", "beam", "encode", "decode_step")
    assert main([str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    for line, runtime in zip(lines, ("TensorFlow", "OpenVINO"), strict=True):
        assert line.startswith(
            f"error: saved_model/toy-ids/1 does not run in {runtime}: the file is refused before "
            "it runs: it holds the operation "
        )
    assert not written.exists()
    hostile.opened(path, "greedy", [[4, 2]])
    assert written.exists()


def test_operations_that_no_export_has(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(out, "onnx", "onnx/greedy.onnx")
    file = out / "onnx" / "greedy.onnx"
    model = onnx.load(file)
    model.graph.node.add(op_type="AzureAudioToText", domain="com.microsoft.extensions")
    onnx.save(model, file)
    assert main([str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "operation 'AzureAudioToText' of the domain 'com.microsoft.extensions'" in line
