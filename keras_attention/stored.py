"""What run directories and exports store, one dataclass for each file that is read back.

Such files come from other people. Every field is typed and bounded, an unknown one is an error, and
so are sizes and depths beyond those of any real file: whatever a file holds, reading it ends within
a second, with a value of a known form or with a `StoredError` that names the file and the field.

This module imports the standard library alone (and PyYAML, to read YAML), so a program can load it
by its path and read a file before it imports Keras; `import keras_attention` would import it.
"""

from __future__ import annotations

import json
import math
import re
import stat
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

MOST_BYTES = {".yaml": 2**20, ".yml": 2**20, ".json": 2**24, ".jsonl": 2**24}
"""The largest files that are read, by their ending."""
PROJECT = "keras-seq2seq-attention"
_DEEPEST, _MOST_VALUES, _MOST_ALIASES, _MOST_PROBLEMS = 32, 10**6, 32, 5
_SHOWN = 60

Stored = TypeVar("Stored")


_CONTROL = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, lines: bool = False) -> str:
    r"""Show control characters as escapes, for text of other people that a terminal would obey.

    These are the control characters but tabs, the characters that reorder text (U+202A to U+202E
    and U+2066 to U+2069), and halves of surrogate pairs. All else stays: combining marks, emoji,
    and what is written from right to left. JSON keeps its value.

    Args:
        text: The text.
        lines: Whether it has lines, so that line feeds stay.

    Example:
        >>> print(printable("\x1b[2JMärz\nשלום"))
        \u001b[2JMärz\u000aשלום
    """
    if lines:
        return "\n".join(map(printable, text.split("\n")))
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class StoredError(ValueError):
    """A stored file that no program of ours wrote; the message names the file and the field."""


class Within(NamedTuple):
    """The bounds of a number, or of the length of a text or list.

    Attributes:
        least: The lower bound.
        most: The upper bound, included.
    """

    least: float
    most: float


class Matches(NamedTuple):
    """The form of a text.

    Attributes:
        pattern: A regular expression.
        what: What it stands for, for the error message.
    """

    pattern: str
    what: str


Size = Annotated[int, Within(1, 2**16)]
Layers = Annotated[int, Within(1, 64)]
Vocabulary = Annotated[int, Within(4, 2**24)]
Length = Annotated[int, Within(1, 2**20)]
Count = Annotated[int, Within(0, 2**31 - 1)]
Seed = Annotated[int, Within(0, 2**32 - 1)]
Fraction = Annotated[float, Within(0.0, 1.0)]
Factor = Annotated[float, Within(0.0, 1e9)]
Number = Annotated[float, Within(-1e30, 1e30)]
Text = Annotated[str, Within(0, 10**5)]
Name = Annotated[str, Within(1, 1000)]
Place = Annotated[
    Name, Matches(r"(?!/)(?!.*(^|/)\.\.(/|$))[^\\]+", "a path inside the folder, without `..`")
]
Names = Annotated[Sequence[Name], Within(0, 10**5)]

Score = Literal["dot", "scaled_dot", "cosine", "general", "concat"]
AlignmentName = Literal[
    "softmax", "sparsemax", "hardmax", "monotonic", "mocha", "local-m", "local-p"
]
PastName = Literal["location", "coverage"]
Query = Literal["current", "previous", "between", "bottom"]
BridgeKind = Literal["dense", "mean", "copy", "zeros"]
DecoderCell = Literal["lstm", "gru", "ln-lstm"]
ModelType = Literal["char", "unigram", "bpe", "word"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
Options = Annotated[Mapping[Name, bool | Number | Name | None], Within(0, 20)]


@dataclass(frozen=True)
class Architecture:
    """The fields of `ka.Seq2SeqConfig`, which documents and checks them."""

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    embedding_size: Size = 256
    encoder: Literal["bilstm", "lstm"] = "bilstm"
    encoder_units: Size = 256
    encoder_layers: Layers = 1
    decoder_cell: DecoderCell = "lstm"
    decoder_units: Size = 512
    decoder_layers: Layers = 1
    residual: bool = False
    bridge: BridgeKind = "dense"
    attention: Literal["bahdanau", "luong"] | None = "bahdanau"
    score: Score = "general"
    attention_units: Size = 512
    alignment: AlignmentName = "softmax"
    alignment_options: Options = field(default_factory=dict)
    past: PastName | None = None
    past_options: Options = field(default_factory=dict)
    num_heads: Annotated[int, Within(1, 1024)] = 1
    head_size: Size | None = None
    normalize: bool = False
    scale: bool = False
    query: Query | None = None
    input_feeding: bool | None = None
    attention_layer_units: Size | None = None
    readout: Literal["tanh", "maxout"] | None = None
    readout_units: Size | None = None
    tie_embeddings: Literal["output", "all"] | None = None
    dropout: Fraction = 0.0
    embedding_dropout: Fraction | None = None
    word_dropout: Fraction = 0.0
    recurrent_dropout: Fraction = 0.0
    attention_dropout: Fraction = 0.0
    start_id: Literal[1, 2] = 1
    coverage_loss: Factor = 0.0


_RENAMED = {"attention_heads": "num_heads"}


def with_current_names(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Rename fields of an architecture that were saved under an earlier name."""
    return {_RENAMED.get(name, name): value for name, value in architecture.items()}


@dataclass(frozen=True)
class Files:
    """The fields of `training.corpora.pairs.CorpusFiles`."""

    source: Names = ()
    target: Names = ()
    tsv: Names = ()
    swap: bool = False
    columns: tuple[Count, Count] | None = None


@dataclass(frozen=True)
class Data:
    """Options common to all sources of pairs.

    Attributes:
        seed: The seed for generating pairs and for holding pairs out.
        dev_pairs: The number of validation pairs.
        held_out_pairs: The number of pairs written to `held_out.tsv` for export and examples.
        max_source_length: The maximum number of source tokens, including the end token.
        max_target_length: The maximum number of target tokens, including the end token.
    """

    seed: Seed = 1
    dev_pairs: Count = 1000
    held_out_pairs: Count = 1000
    max_source_length: Length = 64
    max_target_length: Length = 64


@dataclass(frozen=True)
class DatesData(Data):
    """Pairs generated on the fly: dates as people write them, and ISO dates.

    Attributes:
        task: `"dates"`.
        order: The order of year, month and day in the target: `"iso"`, or `"source"` for the order
            in the source, which makes the task monotonic.
    """

    task: Literal["dates"] = "dates"
    order: Literal["iso", "source"] = "iso"


@dataclass(frozen=True)
class PairsData(Data):
    """A few pairs given in the recipe itself, to be memorized.

    The same pairs are used for training, validation and testing.

    Attributes:
        task: `"pairs"`.
        pairs: The source and target of each pair.
    """

    pairs: Annotated[Sequence[tuple[Text, Text]], Within(0, 10**5)] = ()
    task: Literal["pairs"] = "pairs"


@dataclass(frozen=True)
class CorpusData(Data):
    """Pairs from files.

    Attributes:
        task: `"corpus"`.
        train: The files to train on.
        dev: The files to validate on. If None, `dev_pairs` pairs of `train` are held out by seed;
            no source sentence is in both parts.
        held_out: The files for the final test, never used in training. If None, `held_out_pairs`
            pairs of `train` are held out in the same way.
        on_problem: What to do with a line that is not UTF-8, contains NUL characters, is empty, or
            has too many columns or tokens: raise an `"error"`, or `"drop"` the line and report it.
    """

    train: Files | None = None
    dev: Files | None = None
    held_out: Files | None = None
    on_problem: Literal["error", "drop"] = "error"
    task: Literal["corpus"] = "corpus"


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizers.

    Attributes:
        model_type: The type of SentencePiece model.
        source_vocabulary: The maximum number of source tokens.
        target_vocabulary: The maximum number of target tokens.
        shared: Whether both sides share one tokenizer with `target_vocabulary` tokens, trained on
            both.
        normalization: SentencePiece's normalization rule.
        target_normalization: The rule for the target; None for the same as `normalization`.
        source_model: A SentencePiece `.model` file to use for the source; None to train one. Its
            ids are renumbered, and the other options on the source do not apply. A relative name is
            looked up as those of corpora are.
        target_model: The same for the target, or for both sides if `shared` is true.
    """

    model_type: ModelType = "unigram"
    source_vocabulary: Annotated[int, Within(1, 2**24)] = 8000
    target_vocabulary: Annotated[int, Within(1, 2**24)] = 8000
    shared: bool = False
    normalization: Normalization = "nmt_nfkc"
    target_normalization: Normalization | None = None
    source_model: Name | None = None
    target_model: Name | None = None


@dataclass(frozen=True)
class ScheduledSampling:
    """Scheduled sampling: how often the decoder reads its own tokens in training.

    With probability epsilon it reads the true token; see `keras_attention.schedules`.

    Attributes:
        schedule: Epsilon as a function of the training step i: `"linear"`, `max(minimum, k - c i)`;
            `"exponential"`, `k^i`; `"inverse_sigmoid"`, `k / (k + exp(i / k))`; None to always read
            the true token.
        k: The constant in the formula; defaults to 1 for `"linear"`.
        c: The slope of `"linear"`.
        minimum: The lower bound of epsilon for `"linear"`.
        temperature: The temperature of the distribution to sample from; 0 takes the most probable
            token.
    """

    schedule: Literal["linear", "exponential", "inverse_sigmoid"] | None = None
    k: Factor | None = None
    c: Factor | None = None
    minimum: Fraction = 0.0
    temperature: Factor = 1.0


@dataclass(frozen=True)
class Optimization:
    """Optimization: batches, steps, learning rate and regularization.

    Attributes:
        batch_size: The number of pairs per step; defaults to 64 if `batch_tokens` is None.
        batch_tokens: The number of tokens per step on the longer side, including padding, whatever
            the number of pairs; an alternative to `batch_size`.
        pad_to_multiple: Pad lengths to a multiple of this number. A larger number gives fewer
            shapes, each of which XLA compiles, and more padding.
        steps: The total number of steps, a multiple of `steps_per_epoch`.
        steps_per_epoch: The number of steps between validations (and checkpoints).
        learning_rate: The maximum, reached after warm-up.
        warmup_steps: The number of steps over which the learning rate rises from 0; cosine decay to
            0 follows.
        weight_decay: Decoupled weight decay (AdamW) of matrices; 0 for plain Adam.
        clip_norm: The maximum global norm of the gradients.
        label_smoothing: The fraction of the target probability to spread over all tokens.
        scheduled_sampling: How often the decoder reads its own tokens in training.
        average_decay: The decay of a moving average of the weights, for example 0.999. The average
            is validated and saved instead of the weights; 0 for no average. After t steps the
            decay is at most t / (t + 9), so that the initial weights are soon forgotten.
        select_by: Whether the best `"metric"` of the task or the lowest `"loss"` on the validation
            pairs decides which model to save and when to stop.
        patience: Stop after this many validations without improvement; None to run all steps.
        seed: The seed for the weights, dropout and the order of the pairs.
        devices: `"one"`, or `"all"` to split each batch among all GPUs.
        jit_compile: Whether to compile the training step with XLA.
        dtype: The Keras dtype policy.
    """

    batch_size: Count | None = None
    batch_tokens: Count | None = None
    pad_to_multiple: Length = 4
    steps: Count = 10000
    steps_per_epoch: Count = 1000
    learning_rate: Factor = 1e-3
    warmup_steps: Count = 500
    weight_decay: Factor = 0.0
    clip_norm: Factor = 1.0
    label_smoothing: Fraction = 0.0
    scheduled_sampling: ScheduledSampling = field(default_factory=ScheduledSampling)
    average_decay: Fraction = 0.0
    select_by: Literal["metric", "loss"] = "metric"
    patience: Count | None = None
    seed: Seed = 1
    devices: Literal["one", "all"] = "one"
    jit_compile: bool = False
    dtype: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"


@dataclass(frozen=True)
class Search:
    """The default search of the trained model.

    Attributes:
        beam_width: The number of hypotheses; 1 is greedy search.
        length_penalty: The exponent of the length normalization.
    """

    beam_width: Annotated[int, Within(1, 1024)] = 1
    length_penalty: Annotated[float, Within(0.0, 100.0)] = 0.6


@dataclass(frozen=True)
class RunConfig:
    """The complete configuration of a training: `config.yaml` in the run directory.

    Attributes:
        name: The name of the recipe.
        data: The source of the pairs.
        text: The tokenizers.
        model: The architecture. The vocabulary sizes are set from the tokenizers.
        training: The optimization.
        search: The default search.

    Only a training needs `text`, `model` and `training`.
    """

    name: Name
    data: DatesData | CorpusData | PairsData
    text: Tokenizers | None = None
    model: Architecture | None = None
    training: Optimization | None = None
    search: Search = field(kw_only=True)


@dataclass
class Progress:
    """The progress of a training: `checkpoints/state.json`.

    Attributes:
        epoch: The number of finished epochs.
        file: The checkpoint's name; empty before the first one.
        best: The best validation value so far.
        best_epoch: The epoch of the saved model; the last one if several are equally good.
        better_epoch: The last epoch that improved on all earlier ones.
        is_finished: Whether the training is complete.
    """

    epoch: Count = 0
    file: Annotated[str, Matches(r"(epoch-\d{4,9}\.keras)?", "the name of a checkpoint")] = ""
    best: Number | None = None
    best_epoch: Count = 0
    better_epoch: Count = 0
    is_finished: bool = False


@dataclass(frozen=True)
class Environment:
    """What a training ran with: `environment.json`.

    Attributes:
        python: The version of Python.
        platform: The operating system.
        packages: The versions of the packages.
        seed: The seed of the training.
        commit: The commit of the repository; None outside of one.
        data: A hash of the pairs.
    """

    python: Name
    platform: Name
    packages: Annotated[Mapping[Name, Name], Within(0, 1000)]
    seed: Seed
    commit: Name | None
    data: Name


_OF_RUN = {"config.yaml": RunConfig, "checkpoints/state.json": Progress}


@dataclass(frozen=True)
class Ids:
    """The ids that mean the same in every vocabulary."""

    padding: Literal[0]
    start: Literal[1]
    end: Literal[2]
    unknown: Literal[3]


@dataclass(frozen=True)
class TensorKind:
    """The type of a tensor; an unknown size is None."""

    dtype: Literal["float32", "int32", "string"]
    shape: Annotated[Sequence[Count | None], Within(0, 8)]


@dataclass(frozen=True)
class Signature:
    """The tensors of a function by name."""

    inputs: Annotated[Mapping[Name, TensorKind], Within(0, 1000)]
    outputs: Annotated[Mapping[Name, TensorKind], Within(0, 1000)]


@dataclass(frozen=True)
class ExportConfig:
    """What a user of an export needs to know: its `config.json`.

    Attributes:
        name: The name of the model.
        formats: The formats.
        artefacts: The files or folders of each format, relative to the export.
        ids: The ids that mean the same in both vocabularies.
        decoder_start_id: The id that the first step of the decoder reads.
        source_vocabulary: The number of source tokens.
        target_vocabulary: The number of target tokens.
        max_source_length: The maximum number of source tokens, including the end token.
        max_target_length: The maximum number of target tokens, including the end token.
        tokenizer: The type of SentencePiece model.
        normalization: SentencePiece's normalization rule.
        search: The search of `translate`.
        beam: The search of `beam`.
        signatures: The functions of the artefacts.
        model: The architecture.
        versions: The versions of the packages that wrote the export.
    """

    name: Name
    formats: Annotated[Sequence[Name], Within(0, 10)]
    artefacts: Annotated[Mapping[Name, Annotated[Sequence[Place], Within(0, 100)]], Within(0, 10)]
    ids: Ids
    decoder_start_id: Literal[1, 2]
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    max_source_length: Length
    max_target_length: Length
    tokenizer: ModelType
    normalization: Name
    search: Search
    beam: Search
    signatures: Annotated[Mapping[Name, Signature], Within(0, 100)]
    model: Architecture
    versions: Annotated[Mapping[Name, Name], Within(1, 1000)]


@dataclass(frozen=True)
class Example:
    """A text with the output of the Keras model: one of the list in `examples.json`.

    Attributes:
        source: The source text.
        target: The greedy translation.
        source_ids: The ids of the source, including the end token.
        target_ids: The ids of the translation.
    """

    source: Text
    target: Text
    source_ids: Annotated[Sequence[Count], Within(0, 2**20)]
    target_ids: Annotated[Sequence[Count], Within(0, 2**20)]


def check_run(folder: str | Path) -> None:
    """Read what a run directory stores, before slow imports: an error comes at once.

    Raises:
        StoredError: If one of the files is not what the program wrote.
    """
    try:
        for name, kind in _OF_RUN.items():
            read_stored(Path(folder) / name, kind)
        read_metrics(Path(folder) / "metrics.jsonl")
    except (FileNotFoundError, NotADirectoryError):
        return  # who needs the file says so


def check_export(folder: str | Path) -> None:
    """Read what an export stores; see `check_run`."""
    try:
        read_export(folder)
    except (FileNotFoundError, NotADirectoryError):
        return


def read_export(folder: str | Path) -> ExportConfig:
    """Read the `config.json` of an export.

    Raises:
        FileNotFoundError: If there is none.
        StoredError: If it is not what the program wrote.
    """
    path = Path(folder) / "config.json"
    tree = parsed(path)
    if not isinstance(tree, Mapping) or not tree.get("artefacts"):
        raise StoredError(f"{path} does not belong to an export: it names no artefacts")
    versions = tree.get("versions")
    own = versions.get(PROJECT) if isinstance(versions, Mapping) else None
    if not isinstance(own, str):
        raise StoredError(f"{path} does not say which version of {PROJECT} wrote it")
    try:
        return checked(ExportConfig, tree, "not as this version writes it")
    except StoredError as error:
        by = f"{PROJECT} {_shortened(printable(own))}"
        raise StoredError(f"{path} was written by {by}, {error}") from None


def choices_of(kind: type) -> dict[str, tuple[Any, ...]]:
    """The values that each field of a dataclass can have, if they are listed."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        listed = [one for part in parts if get_origin(part) is Literal for one in get_args(part)]
        if listed:
            found[name] = (*listed, *[None] * (types.NoneType in parts))
    return found


def read_stored(path: str | Path, kind: type[Stored]) -> Stored:
    """Read a `.json` or `.yaml` file that holds one value of a kind.

    Args:
        path: The file.
        kind: One of the dataclasses above.

    Raises:
        FileNotFoundError: If there is no such file.
        StoredError: If it is not a regular file, too large, not JSON or YAML, or not of this kind.
    """
    path = Path(path)
    return checked(kind, parsed(path), str(path))


def read_list(path: str | Path, kind: type[Stored]) -> list[Stored]:
    """Read a `.json` file that holds a list of values of a kind; see `read_stored`."""
    path, rows = Path(path), parsed(Path(path))
    if not isinstance(rows, list):
        raise StoredError(f"{path} must hold a list. Received: {_shown(rows)}")
    return [checked(kind, row, f"{path}, item {i}") for i, row in enumerate(rows)]


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Read the `metrics.jsonl` of a run, numbers by name in each line; see `read_stored`."""
    path, rows = Path(path), []
    for number, line in enumerate(read_text(Path(path)).splitlines(), start=1):
        try:
            row = json.loads(line)
        except (RecursionError, ValueError):
            row = None
        if not isinstance(row, dict) or not all(isinstance(x, int | float) for x in row.values()):
            raise StoredError(
                f"{path}, line {number} must be an object of numbers, in JSON. "
                f"Received: {_shown(line)}"
            )
        rows.append(row)
    return rows


def parsed(path: Path) -> Any:
    """The content of a `.json` or `.yaml` file, bounded in size and depth, without its kind."""
    text, kind = read_text(path), "JSON" if path.suffix == ".json" else "YAML"
    try:
        tree = json.loads(text, parse_constant=_no_number) if kind == "JSON" else _yaml(text)
    except RecursionError:
        raise StoredError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise StoredError(f"{path} is not valid {kind}: {_one_line(error)}") from error
    check_extent(tree, str(path))
    return tree


def read_text(path: Path) -> str:
    """The text of a stored file: a regular one, in UTF-8, and not larger than `MOST_BYTES`."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:  # for example a loop of links
        raise StoredError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise StoredError(f"{path} must be a file. Received: {_file_kind(found.st_mode)}")
    most = MOST_BYTES[path.suffix]
    if found.st_size > most:
        raise StoredError(f"{path} must have at most {most:,} bytes. Received: {found.st_size:,}")
    try:
        with path.open("rb") as file:
            return file.read(most + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StoredError(f"{path} is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise StoredError(f"{path} cannot be read: {error.strerror}") from error


def checked(kind: type[Stored], tree: Any, where: str) -> Stored:
    """Return a value of a kind, made of a nest of plain values.

    Args:
        kind: A dataclass.
        tree: Plain values, as JSON has them.
        where: What holds them, for the error message.

    Raises:
        StoredError: If a field is unknown, missing, or out of its bounds; it names the first few.
    """
    problems: list[str] = []
    value = _value(kind, tree, "", problems)
    if problems:
        more = f" and {len(problems) - _MOST_PROBLEMS} more" * (len(problems) > _MOST_PROBLEMS)
        raise StoredError(f"{where}: {'; '.join(problems[:_MOST_PROBLEMS])}{more}")
    return value


def _value(kind: Any, given: Any, key: str, problems: list[str]) -> Any:
    """A value of a type, or None after a line in `problems`."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        count = len(problems)
        value = _value(parts[0], given, key, problems)
        for limit in parts[1:] if len(problems) == count else ():
            problems += [f"`{key}` {problem}" for problem in _beyond(limit, value)]
        return value
    if origin in (Union, types.UnionType):
        return _one_of(parts, given, key, problems)
    if origin is Literal:
        if not any(type(given) is type(one) and given == one for one in parts):
            problems.append(f"`{key}` must be one of {parts}. Received: {_shown(given)}")
        return given
    if isinstance(kind, type) and is_dataclass(kind):
        return _section(kind, given, key, problems)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(parts, given, key, problems)
    if origin is not None:
        return _sequence(origin, parts, given, key, problems)
    return _scalar(kind, given, key, problems)


def _beyond(limit: Within | Matches, value: Any) -> Iterator[str]:
    """What is wrong with a value that has the right type."""
    if isinstance(limit, Matches):
        if not re.fullmatch(limit.pattern, value):
            yield f"must be {limit.what}. Received: {_shown(value)}"
        return
    size = value if isinstance(value, int | float) else len(value)
    if not limit.least <= size <= limit.most:
        what = "must be" if size is value else "must have a length"
        yield f"{what} from {limit.least:,} to {limit.most:,}. Received: {_shown(value)}"


def _scalar(kind: type, given: Any, key: str, problems: list[str]) -> Any:
    takes: tuple[type, ...] = (int, float) if kind is float else (kind,)
    is_kind = isinstance(given, takes) and (kind is bool or not isinstance(given, bool))
    if not is_kind or (kind is float and not math.isfinite(given)):
        names = {float: "a finite number", int: "an integer", str: "a string", bool: "a boolean"}
        problems.append(f"`{key}` must be {names[kind]}. Received: {_shown(given)}")
        return None
    return given


def _one_of(kinds: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    """A value of one of several types: dataclasses by their `task`, others by trying."""
    if given is None and types.NoneType in kinds:
        return None
    kinds = [one for one in kinds if one is not types.NoneType]
    sections = {one.task: one for one in kinds if is_dataclass(one) and hasattr(one, "task")}
    if len(sections) == len(kinds) > 1:
        usual = "corpus" if isinstance(given, Mapping) and "train" in given else "dates"
        task = given.get("task", usual) if isinstance(given, Mapping) else None
        if not isinstance(task, str) or task not in sections:
            found = _shown(given if task is None else task)
            problems.append(f"`{key}.task` must be one of {tuple(sections)}. Received: {found}")
            return None
        return _section(sections[task], given, key, problems)
    for kind in kinds:
        own: list[str] = []
        value = _value(kind, given, key, own)
        if not own:
            return value
    problems += own if len(kinds) == 1 else [f"`{key}` is {_shown(given)}, of no known type"]
    return None


def _section(kind: Any, given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, Mapping):
        what = f"`{key}`" if key else "it"
        problems.append(f"{what} must be a section. Received: {_shown(given)}")
        return None
    if issubclass(kind, Architecture):
        given = with_current_names(given)
    known = {item.name: item for item in fields(kind)}
    path = f"{key}." if key else ""
    for name in given:
        if name not in known:
            problems.append(f"unknown field `{path}{_name(name)}`. Known: {', '.join(known)}")
    hints = get_type_hints(kind, include_extras=True)
    count, values = len(problems), {}
    for name, item in known.items():
        if name in given:
            values[name] = _value(hints[name], given[name], f"{path}{name}", problems)
        elif item.default is MISSING and item.default_factory is MISSING:
            problems.append(f"`{path}{name}` is missing")
    return kind(**values) if len(problems) == count and not problems else None


def _mapping(parts: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, Mapping):
        problems.append(f"`{key}` must be a section. Received: {_shown(given)}")
        return None
    return {
        _value(parts[0], name, f"{key}, a name", problems): _value(
            parts[1], value, f"{key}.{_name(name)}", problems
        )
        for name, value in given.items()
    }


def _sequence(origin: type, parts: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, list | tuple):
        problems.append(f"`{key}` must be a list. Received: {_shown(given)}")
        return None
    each = list(parts) if origin is tuple else [parts[0]] * len(given)
    if len(each) != len(given):
        problems.append(f"`{key}` must be a list of {len(each)}. Received: {len(given)} items")
        return None
    pairs = enumerate(zip(each, given, strict=True))
    return tuple(_value(kind, one, f"{key}.{i}", problems) for i, (kind, one) in pairs)


def _yaml(text: str) -> Any:
    """Parse YAML, after counting what could make a short text a large or an endless value."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = aliases = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            aliases += isinstance(event, yaml.AliasEvent)
            if depth > _DEEPEST or aliases > _MOST_ALIASES:
                raise ValueError(
                    f"it must have at most {_DEEPEST} levels and {_MOST_ALIASES} aliases"
                )
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def check_extent(tree: Any, where: str) -> None:
    """Raise `StoredError` unless a nest is bounded in depth and number of values."""
    for count, depth in enumerate(islice(_depths(tree), _MOST_VALUES + 1)):
        if depth > _DEEPEST:
            raise StoredError(f"{where} is nested too deeply: more than {_DEEPEST} levels")
        if count >= _MOST_VALUES:
            raise StoredError(f"{where} must hold at most {_MOST_VALUES:,} values")


def _depths(tree: Any) -> Iterator[int]:
    """The depth of every value in a nest; the caller stops at one that is too deep."""
    waiting = [(tree, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield depth
        if isinstance(value, Mapping):
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _name(key: Any) -> str:
    """A key for a message: as it is, if it looks like one."""
    return (
        key if isinstance(key, str) and key.isidentifier() and len(key) <= _SHOWN else _shown(key)
    )


def _shown(value: Any) -> str:
    """A value for a message: short, and without control characters, as `repr` shows text."""
    if isinstance(value, Mapping | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _file_kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
