"""What a run directory stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from .bounds import (
    AlignmentName,
    BridgeKind,
    Count,
    DecoderCell,
    Factor,
    Fraction,
    Layers,
    Length,
    Matches,
    MetricName,
    ModelType,
    Name,
    Names,
    Normalization,
    Number,
    Options,
    PastName,
    Query,
    Score,
    Seed,
    Size,
    Text,
    Vocabulary,
    Within,
)

_RENAMED = {"attention_heads": "num_heads"}


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
    memory_dropout: Fraction = 0.0
    start_id: Literal[1, 2] = 1
    coverage_loss: Factor = 0.0

    @staticmethod
    def with_current_names(architecture: Mapping[str, Any]) -> dict[str, Any]:
        """Rename fields that were saved under an earlier name."""
        return {_RENAMED.get(name, name): value for name, value in architecture.items()}


@dataclass(frozen=True)
class Files:
    """The fields of `training.corpora.pairs.CorpusFiles`."""

    source: Names = ()
    target: Names = ()
    tsv: Names = ()
    swap: bool = False
    columns: tuple[Count, Count] | None = None
    shards: Name | None = None


@dataclass(frozen=True)
class Data:
    """Options common to all sources of pairs.

    Attributes:
        seed: The seed for generating pairs and for holding pairs out.
        dev_pairs: The number of validation pairs.
        held_out_pairs: The number of pairs written to `held_out.tsv` for export and examples.
        max_source_length: The maximum number of source tokens, including the end token.
        max_target_length: The maximum number of target tokens, including the end token.
        metric: What outputs are judged by: `"bleu"`, `"chrf"`, `"exact_match"` or
            `"token_error_rate"`, edits per token of the reference. `"bleu"` for a corpus, else
            `"exact_match"`.
    """

    seed: Seed = 1
    dev_pairs: Count = 1000
    held_out_pairs: Count = 1000
    max_source_length: Length = 64
    max_target_length: Length = 64
    metric: MetricName = "exact_match"


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
        extra: Further files to train on, such as back-translations or the outputs of a teacher.
            Nothing is held out of them; pairs whose source is held out are left out.
        on_problem: What to do with a line that is not UTF-8, contains NUL characters, is empty, or
            has too many columns or tokens: raise an `"error"`, or `"drop"` the line and report it.
    """

    train: Files | None = None
    dev: Files | None = None
    held_out: Files | None = None
    extra: Files | None = None
    on_problem: Literal["error", "drop"] = "error"
    metric: MetricName = "bleu"
    task: Literal["corpus"] = "corpus"


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizers.

    Attributes:
        model_type: The type of SentencePiece model.
        target_model_type: The type for the target; None for the same as `model_type`.
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
    target_model_type: ModelType | None = None
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
        max_shapes: The maximum number of batch shapes, chosen for the lengths of the pairs; a batch
            without enough pairs is filled up with padding. None: as many as the pairs need.
        start_from: A finished run whose tokenizers and weights the training starts with, in place
            of new ones; only dropout rates and `coverage_loss` of its architecture may differ. None
            for random weights.
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
    max_shapes: Annotated[int, Within(1, 1000)] | None = None
    start_from: Name | None = None
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
