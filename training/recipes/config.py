"""The configuration of a training: frozen dataclasses, filled from a recipe and overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from keras_attention import schedules
from keras_attention.checks import check_fraction, check_not_negative, check_positive
from keras_attention.ids import UNKNOWN_ID
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.text.tokenizer import ModelType, Normalization
from training.corpora.pairs import CorpusFiles

Part = Literal["train", "dev", "held_out"]


@dataclass(frozen=True)
class DataConfig:
    """Options common to all sources of pairs.

    Attributes:
        seed: The seed for generating pairs and for holding pairs out.
        dev_pairs: The number of validation pairs.
        held_out_pairs: The number of pairs written to `held_out.tsv` for export and examples.
        max_source_length: The maximum number of source tokens, including the end token.
        max_target_length: The maximum number of target tokens, including the end token.
    """

    seed: int = 1
    dev_pairs: int = 1000
    held_out_pairs: int = 1000
    max_source_length: int = 64
    max_target_length: int = 64

    def __post_init__(self) -> None:
        _check_none_negative(self, "seed")
        _check_all_positive(self, "dev_pairs", "held_out_pairs")
        _check_all_positive(self, "max_source_length", "max_target_length")

    def files_of(self, part: Part) -> CorpusFiles | None:
        """Return the files that contain the pairs of a part, or None if there are none."""
        return None


@dataclass(frozen=True)
class DatesConfig(DataConfig):
    """Pairs generated on the fly: dates as people write them, and ISO dates.

    Attributes:
        task: `"dates"`.
        order: The order of year, month and day in the target: `"iso"`, or `"source"` for the order
            in the source, which makes the task monotonic.
    """

    task: Literal["dates"] = "dates"
    order: Literal["iso", "source"] = "iso"


@dataclass(frozen=True)
class PairsConfig(DataConfig):
    """A few pairs given in the recipe itself, to be memorized.

    The same pairs are used for training, validation and testing.

    Attributes:
        task: `"pairs"`.
        pairs: The source and target of each pair.
    """

    pairs: Sequence[tuple[str, str]] = ()
    task: Literal["pairs"] = "pairs"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.pairs or any("\n" in side for pair in self.pairs for side in pair):
            raise ValueError(
                "Argument `pairs` must be a list of pairs of source and target, each a single "
                "line, for example data.pairs=[[to go, ir]]. "
                f"Received: pairs={list(self.pairs)}"
            )
        object.__setattr__(self, "pairs", tuple((source, target) for source, target in self.pairs))


@dataclass(frozen=True)
class CorpusConfig(DataConfig):
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

    train: CorpusFiles | None = None
    dev: CorpusFiles | None = None
    held_out: CorpusFiles | None = None
    on_problem: Literal["error", "drop"] = "error"
    task: Literal["corpus"] = "corpus"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train is None:
            raise ValueError(
                "Key `data.train` must name files: source and target, or tsv, for example "
                "data.train.tsv=pairs.tsv. Received: data.train=null"
            )

    def files_of(self, part: Part) -> CorpusFiles | None:
        """Return the files of a part, or those of `train` if the part is held out of them."""
        files: CorpusFiles | None = getattr(self, part) or self.train
        return files


@dataclass(frozen=True)
class TextConfig:
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
    source_vocabulary: int = 8000
    target_vocabulary: int = 8000
    shared: bool = False
    normalization: Normalization = "nmt_nfkc"
    target_normalization: Normalization | None = None
    source_model: str | None = None
    target_model: str | None = None

    def __post_init__(self) -> None:
        _check_all_positive(self, "source_vocabulary", "target_vocabulary")
        if self.shared and self.source_model not in (None, self.target_model):
            raise ValueError(
                "Argument `source_model` must be None or equal `target_model` if `shared` is true. "
                f"Received: source_model={self.source_model!r}, "
                f"target_model={self.target_model!r}"
            )
        if self.shared and self.target_normalization not in (None, self.normalization):
            raise ValueError(
                "Argument `target_normalization` must equal `normalization` if `shared` is true. "
                f"Received: normalization={self.normalization!r}, "
                f"target_normalization={self.target_normalization!r}"
            )


@dataclass(frozen=True)
class SamplingConfig:
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
    k: float | None = None
    c: float | None = None
    minimum: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_none_negative(self, "temperature")
        is_linear = self.schedule == "linear"
        needs = {"k": self.schedule is not None and not is_linear, "c": is_linear}
        takes = {"k": self.schedule is not None, "c": is_linear, "minimum": is_linear}
        for name, value in (("k", self.k), ("c", self.c), ("minimum", self.minimum or None)):
            if value is None and needs.get(name):
                raise ValueError(
                    f"Argument `{name}` is required for schedule={self.schedule!r}. "
                    f"Received: {name}=None"
                )
            if value is not None and not takes[name]:
                raise ValueError(
                    f"Argument `{name}` must not be set for schedule={self.schedule!r}. "
                    f"Received: {name}={value}"
                )
        self.made()  # validates the numbers

    def made(self) -> schedules.Schedule | None:
        """Return the schedule, or None if there is none."""
        if self.schedule is None:
            return None
        if self.schedule == "linear":
            return schedules.Linear(self.c or 0.0, 1.0 if self.k is None else self.k, self.minimum)
        kinds = {"exponential": schedules.Exponential, "inverse_sigmoid": schedules.InverseSigmoid}
        return kinds[self.schedule](self.k or 0.0)


@dataclass(frozen=True)
class OptimizationConfig:
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

    batch_size: int | None = None
    batch_tokens: int | None = None
    pad_to_multiple: int = 4
    steps: int = 10000
    steps_per_epoch: int = 1000
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    scheduled_sampling: SamplingConfig = field(default_factory=SamplingConfig)
    average_decay: float = 0.0
    select_by: Literal["metric", "loss"] = "metric"
    patience: int | None = None
    seed: int = 1
    devices: Literal["one", "all"] = "one"
    jit_compile: bool = False
    dtype: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_tokens is not None:
            raise ValueError(
                "Only one of `batch_size` and `batch_tokens` can be set; set the other to null "
                "(training.batch_tokens=null or training.batch_size=null). "
                f"Received: batch_size={self.batch_size}, batch_tokens={self.batch_tokens}"
            )
        if self.batch_tokens is None and self.batch_size is None:
            object.__setattr__(self, "batch_size", 64)
        _check_all_positive(self, "steps", "steps_per_epoch", "pad_to_multiple")
        if self.steps % self.steps_per_epoch:
            steps = -(-self.steps // self.steps_per_epoch) * self.steps_per_epoch
            sizes = range(1, min(self.steps, self.steps_per_epoch) + 1)
            size = max(n for n in sizes if self.steps % n == 0)
            raise ValueError(
                "Argument `steps` must be a multiple of `steps_per_epoch`, for example "
                f"training.steps={steps}, or training.steps_per_epoch={size}. "
                f"Received: steps={self.steps}, steps_per_epoch={self.steps_per_epoch}"
            )
        for name in ("batch_size", "batch_tokens", "patience"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        _check_above_zero(self, "learning_rate", "clip_norm")
        _check_none_negative(self, "warmup_steps", "weight_decay", "seed")
        if self.seed >= 2**32:
            raise ValueError(f"Argument `seed` must be below 2**32. Received: seed={self.seed}")
        check_fraction("label_smoothing", self.label_smoothing)
        check_fraction("average_decay", self.average_decay)

    @property
    def epochs(self) -> int:
        """The number of epochs, each of which ends with a validation."""
        return self.steps // self.steps_per_epoch


@dataclass(frozen=True)
class SearchConfig:
    """The default search of the trained model.

    Attributes:
        beam_width: The number of hypotheses; 1 is greedy search.
        length_penalty: The exponent of the length normalization.
    """

    beam_width: int = 1
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        _check_all_positive(self, "beam_width")
        _check_none_negative(self, "length_penalty")


@dataclass(frozen=True)
class TrainConfig:
    """The complete configuration of a training, saved as `config.yaml` in the run directory.

    Attributes:
        name: The name of the recipe.
        data: The source of the pairs.
        text: The tokenizers.
        model: The architecture. The vocabulary sizes are set from the tokenizers.
        training: The optimization.
        search: The default search.
    """

    name: str
    data: Annotated[DatesConfig | CorpusConfig | PairsConfig, Field(discriminator="task")] = field(
        default_factory=DatesConfig
    )
    text: TextConfig = field(default_factory=TextConfig)
    model: Seq2SeqConfig = field(
        default_factory=lambda: Seq2SeqConfig(UNKNOWN_ID + 1, UNKNOWN_ID + 1)
    )
    training: OptimizationConfig = field(default_factory=OptimizationConfig)
    search: SearchConfig = field(default_factory=SearchConfig)

    def __post_init__(self) -> None:
        if self.model.tie_embeddings == "all" and not self.text.shared:
            raise ValueError(
                "model.tie_embeddings='all' requires one vocabulary: text.shared must be true. "
                f"Received: text.shared={self.text.shared}"
            )

    def to_yaml(self) -> str:
        """Return the configuration as the YAML text of a recipe."""
        return yaml.safe_dump(_plain(asdict(self)), sort_keys=False, allow_unicode=True)


def _check_all_positive(section: object, *names: str) -> None:
    for name in names:
        check_positive(name, getattr(section, name))


def _check_above_zero(section: object, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        if not value > 0:
            raise ValueError(f"Argument `{name}` must be greater than 0. Received: {name}={value}")


def _check_none_negative(section: object, *names: str) -> None:
    for name in names:
        check_not_negative(name, getattr(section, name))


def _plain(value: Any) -> Any:
    """Replace tuples, which YAML does not have, by lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
