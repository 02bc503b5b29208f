"""What is read back from runs and exports: every field typed and bounded, whatever a file holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from keras_attention import stored
from keras_attention.attention.luong import SCORES
from keras_attention.attention.registry import ALIGNMENTS, PASTS
from keras_attention.recurrent.bridges import BRIDGES
from keras_attention.recurrent.query_times import QUERY_TIMES
from keras_attention.stored import (
    Architecture,
    Environment,
    Example,
    Progress,
    RunConfig,
    StoredError,
    check_run,
    checked,
    choices_of,
    parsed,
    printable,
    read_export,
    read_list,
    read_metrics,
    read_stored,
)
from tests.hard_text import HARD_TEXT

CONFIG: dict[str, Any] = {
    "name": "mine",
    "data": {"task": "dates", "max_source_length": 48, "max_target_length": 12},
    "text": {"model_type": "char"},
    "model": {"source_vocabulary": 70, "target_vocabulary": 15},
    "training": {"steps": 100, "scheduled_sampling": {"schedule": "linear", "c": 0.1}},
    "search": {"beam_width": 5, "length_penalty": 0.6},
}
SEARCH = {"beam_width": 1, "length_penalty": 0.0}
EXPORT: dict[str, Any] = {
    "name": "mine",
    "formats": ["onnx"],
    "artefacts": {"onnx": ["onnx/greedy.onnx"]},
    "ids": {"padding": 0, "start": 1, "end": 2, "unknown": 3},
    "decoder_start_id": 1,
    "source_vocabulary": 70,
    "target_vocabulary": 15,
    "max_source_length": 48,
    "max_target_length": 12,
    "tokenizer": "char",
    "normalization": "nmt_nfkc",
    "search": SEARCH,
    "beam": SEARCH,
    "signatures": {
        "greedy": {"inputs": {"source": {"dtype": "int32", "shape": [None, None]}}, "outputs": {}}
    },
    "model": CONFIG["model"],
    "versions": {"keras-seq2seq-attention": "0.1.0"},
}
OBEYED = ("control", "kinds of ends", "line ends", "nothing but nul", "nul", "nul at the ends")
"""Those of `HARD_TEXT` with control characters."""


def changed(tree: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a dotted key; `...` removes it."""
    copy = json.loads(json.dumps(tree))
    *sections, last = key.split(".")
    place = copy
    for section in sections:
        place = place[section]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copy


def test_the_configuration_of_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    config = read_stored(path, RunConfig)
    assert (config.search.beam_width, config.data.max_target_length) == (5, 12)
    assert config.training is not None
    assert config.training.scheduled_sampling.c == 0.1
    assert config.model == Architecture(70, 15)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(asdict(config)))), encoding="utf-8")
    assert read_stored(path, RunConfig) == config


def test_earlier_names_are_known(tmp_path: Path) -> None:
    tree = changed(CONFIG, "model.attention_heads", 4)
    assert checked(RunConfig, tree, "here").model == Architecture(70, 15, num_heads=4)
    corpus = changed(CONFIG, "data", {"train": {"tsv": ["a.tsv"]}})
    assert checked(RunConfig, corpus, "here").data.task == "corpus"
    assert checked(RunConfig, changed(CONFIG, "data", {}), "here").data.task == "dates"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.beam_width", 1.0, "`search.beam_width` must be an integer. Received: 1.0"),
        ("search.beam_width", True, "`search.beam_width` must be an integer. Received: True"),
        ("search.beam_width", 0, "must be from 1 to 1,024. Received: 0"),
        ("search.beam_width", "5", "must be an integer. Received: '5'"),
        ("search.length_penalty", float("nan"), "must be a finite number. Received: nan"),
        ("search.length_penalty", None, "must be a finite number. Received: None"),
        ("search.evil", 1, "unknown field `search.evil`. Known: beam_width, length_penalty"),
        ("search", [1, 2], "`search` must be a section. Received: a list of 2"),
        ("search", ..., "`search` is missing"),
        ("data.max_target_length", 99999999999, "must be from 1 to 1,048,576"),
        ("data.dev_pairs", 10**12, "`data.dev_pairs` must be from 0 to 2,147,483,647"),
        ("data.task", "speech", r"`data.task` must be one of .*'dates'.*Received: 'speech'"),
        ("data", 5, "`data.task` must be one of .*Received: 5"),
        ("model.source_vocabulary", 10**9, "must be from 4 to 16,777,216"),
        ("model.source_vocabulary", ..., "`model.source_vocabulary` is missing"),
        ("model.encoder_layers", 3000, "must be from 1 to 64"),
        ("model.encoder", "gru", r"`model.encoder` must be one of \('bilstm', 'lstm'\)"),
        ("model.dropout", "x", "`model.dropout` must be a finite number"),
        ("model.alignment_options", 5, "`model.alignment_options` must be a section"),
        ("model.alignment_options", {"window": [1]}, "`model.alignment_options.window` is a list"),
        ("model.head_size", "big", "`model.head_size` must be an integer"),
        ("text.model_type", "syllable", "`text.model_type` must be one of"),
        ("training.jit_compile", 1, "`training.jit_compile` must be a boolean"),
        ("name", 3, "`name` must be a string. Received: 3"),
        ("name", "x" * 2000, "`name` must have a length from 1 to 1,000"),
        ("\x1b[31mred", 1, r"unknown field `'\\x1b\[31mred'`"),
    ],
)
def test_a_wrong_field_is_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(StoredError, match=message) as caught:
        checked(RunConfig, changed(CONFIG, key, value), "config.yaml")
    assert str(caught.value).startswith("config.yaml: ")
    assert str(caught.value).isprintable()


def test_the_first_few_of_many_wrong_fields_are_named() -> None:
    with pytest.raises(StoredError, match=r"; .*`evil4`.* and 95 more$"):
        checked(Progress, {f"evil{i}": i for i in range(100)}, "state.json")


NESTED = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 3)}]\n" for i in range(1, 11)
)
MERGED = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9)
)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "must be a section. Received: None"),
    "a list": (b"[1]", "must be a section. Received: a list of 1"),
    "no UTF-8": (bytes(range(256)), "is not UTF-8"),
    "code": (b"name: !!python/object/apply:os.system ['true']", "is not valid YAML"),
    "brackets": (b"[" * 100_000, "is not valid YAML|nested"),
    "deep": (b"a: " + b"[" * 40 + b"]" * 40, "at most 32 levels"),
    "aliases": (NESTED.encode() + b"name: *a10\n", "must hold at most 1,000,000 values"),
    "expanding": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        b"b: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c]\n"
        b"e: &e [*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f]\n",
        "must be a|unknown field|at most",
    ),
    "merges": (MERGED.encode(), "at most 32 levels and 32 aliases"),
    "endless": (b"name: x\ndata: &a [*a]\n", "nested too deeply"),
    "a long number": (b"name: " + b"9" * 10_000, "is not valid YAML|must be a string"),
    "a key that is a list": (b"? [1]\n: 2\n", "is not valid YAML"),
    "large": (b"#" * (2**20 + 1), "must have at most 1,048,576 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_file_holds_the_error_names_it(name: str, tmp_path: Path) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(StoredError, match=message) as caught:
        read_stored(path, RunConfig)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 40 + "]" * 40, "more than 32 levels"),
        ('{"epoch": NaN}', "NaN is no number of JSON"),
        ('{"epoch": ' + "9" * 10_000 + "}", "is not valid JSON"),
        ('{"epoch": "x"}', "`epoch` must be an integer"),
        ('{"epoch": -3}', "`epoch` must be from 0"),
        ('{"file": "../../other.keras"}', "`file` must be the name of a checkpoint"),
        ('{"is_finished": null}', "`is_finished` must be a boolean"),
        ('{"evil": 1}', "unknown field `evil`"),
    ],
)
def test_a_state_is_checked_in_the_same_way(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StoredError, match=message):
        read_stored(path, Progress)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")
def test_only_files_are_read(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device has no end."""
    for name, make in (
        ("pipe.json", os.mkfifo),
        ("folder.json", os.mkdir),
        ("device.json", lambda path: Path(path).symlink_to("/dev/zero")),
        ("loop.json", lambda path: Path(path).symlink_to("loop.json")),
    ):
        make(tmp_path / name)
        with pytest.raises(StoredError, match=rf"{name} (must be a file|cannot be read)"):
            parsed(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        parsed(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("artefacts.onnx", ["/etc/passwd"], "a path inside the folder"),
        ("artefacts.onnx", ["onnx/../../x.onnx"], "a path inside the folder"),
        ("artefacts.onnx", [], None),
        ("artefacts", {}, "does not belong to an export"),
        ("ids.end", 3, r"`ids.end` must be one of \(2,\)"),
        (
            "signatures.greedy.inputs.source.dtype",
            "evil",
            "`signatures.greedy.inputs.source.dtype`",
        ),
        ("signatures.greedy.inputs.source.shape", "x", "`signatures.greedy.inputs.source.shape`"),
        ("versions", {}, "does not say which version of keras-seq2seq-attention wrote it"),
        (
            "max_source_length",
            ...,
            r"written by keras-seq2seq-attention 0.1.0, .*: `max_source_length` is missing",
        ),
    ],
)
def test_an_export_is_checked_too(
    key: str, value: Any, message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(changed(EXPORT, key, value)), encoding="utf-8")
    if message is None:
        assert read_export(tmp_path).max_target_length == 12
        return
    with pytest.raises(StoredError, match=message):
        read_export(tmp_path)


def test_lists_of_examples(tmp_path: Path) -> None:
    path = tmp_path / "examples.json"
    row = {"source": "a", "target": "b", "source_ids": [4, 2], "target_ids": [5, 2]}
    path.write_text(json.dumps([row]), encoding="utf-8")
    assert read_list(path, Example) == [Example("a", "b", (4, 2), (5, 2))]
    path.write_text(json.dumps([row, {**row, "target_ids": [-1]}]), encoding="utf-8")
    with pytest.raises(StoredError, match=r"item 1: `target_ids.0` must be from 0"):
        read_list(path, Example)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(StoredError, match=r"must hold a list. Received: a dict of 0"):
        read_list(path, Example)


def test_the_choices_are_those_of_the_library() -> None:
    choices = choices_of(Architecture)
    assert choices["alignment"] == tuple(ALIGNMENTS)
    assert choices["past"] == (*PASTS, None)
    assert choices["score"] == SCORES
    assert choices["bridge"] == BRIDGES
    assert choices["query"] == (*QUERY_TIMES, None)


def bounded(kind: Any) -> bool:
    """Whether a type has limits, or nothing that could be large."""
    if isinstance(kind, type) and is_dataclass(kind):
        return True
    if kind in (bool, type(None)) or "Literal" in str(getattr(kind, "__origin__", "")):
        return True
    metadata = getattr(kind, "__metadata__", ())
    if metadata:
        inner = get_args(kind.__origin__)
        return all(bounded(part) for part in inner) if inner else True
    parts = get_args(kind)
    return bool(parts) and all(bounded(part) for part in parts)


def test_every_field_is_bounded() -> None:
    kinds = [one for one in vars(stored).values() if isinstance(one, type) and is_dataclass(one)]
    assert len(kinds) > 15
    for kind in kinds:
        hints = get_type_hints(kind, include_extras=True)
        for item in fields(kind):
            assert bounded(hints[item.name]), (kind, item.name)


def test_the_file_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """Programs load it by its path and read a run before Keras is imported; a server has a copy."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"epoch": 3}), encoding="utf-8")
    code = (
        "import sys\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('own', {stored.__file__!r})\n"
        "sys.modules['own'] = own = module_from_spec(spec)\n"
        "spec.loader.exec_module(own)\n"
        f"print(own.read_stored({str(path)!r}, own.Progress).epoch)\n"
        "print({'keras', 'numpy', 'yaml', 'keras_attention'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "3\nset()\n"


def test_a_run_without_some_of_its_files_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    check_run(tmp_path / "absent")
    check_run(tmp_path)
    (tmp_path / "file").touch()
    check_run(tmp_path / "file")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.json").write_text('{"epoch": "x"}', encoding="utf-8")
    check_run(tmp_path)  # no run: somebody else's checkpoints
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    with pytest.raises(StoredError, match=r"state.json: `epoch` must be an integer"):
        check_run(tmp_path)


@pytest.mark.parametrize(
    "line", ['{"epoch": "x"}', "[1]", "{", "[" * 100_000, '{"loss": {"loss": 1}}', "1"]
)
def test_metrics_are_numbers(line: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.json").write_text('{"epoch": 2}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": NaN}\n', encoding="utf-8")
    check_run(tmp_path)
    assert [row["epoch"] for row in read_metrics(metrics)] == [1, 2]
    metrics.write_text(f'{{"epoch": 1}}\n{line}\n', encoding="utf-8")
    with pytest.raises(StoredError, match=r"metrics.jsonl, line 2 must be an object of numbers"):
        check_run(tmp_path)


def test_an_environment(tmp_path: Path) -> None:
    environment = Environment("3.11", "Linux", {"keras": "3.15"}, 1, None, "abc")
    path = tmp_path / "environment.json"
    path.write_text(json.dumps(asdict(environment)), encoding="utf-8")
    assert read_stored(path, Environment) == environment
    path.write_text(json.dumps({**asdict(environment), "data": 3}), encoding="utf-8")
    with pytest.raises(StoredError, match=r"environment.json: `data` must be a string"):
        read_stored(path, Environment)


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    text = "\x1b]0;mine\x07 \x9b2J \r\n\x7f \u202eevil\u2069 \ud83d\t"
    shown = "\\u001b]0;mine\\u0007 \\u009b2J \\u000d\\u000a\\u007f \\u202eevil\\u2069 \\ud83d\t"
    assert printable(text) == shown
    assert printable(text, lines=True) == shown.replace("\\u000a", "\n")
    assert json.loads(printable(json.dumps([text], ensure_ascii=False))) == [text]


def test_legitimate_text_is_shown_as_it_is() -> None:
    for kind, text in HARD_TEXT.items():
        if kind not in OBEYED:
            assert printable(text) == text, kind
