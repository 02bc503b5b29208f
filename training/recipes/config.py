"""What a training is made of: frozen dataclasses, filled from a recipe and `key=value`."""

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
    """What every source of pairs needs.

    Attributes:
        seed: Seed of what pairs there are: of those made on the fly, and of those held out.
        dev_pairs: How many pairs are validated on.
        held_out_pairs: How many pairs are left in `held_out.tsv` for export and examples.
        max_source_length: The most source tokens, the end token counted.
        max_target_length: The most target tokens, the end token counted.
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
        """Where the pairs of a part stand, if they are in files."""
        return None


@dataclass(frozen=True)
class DatesConfig(DataConfig):
    """Pairs made on the fly: dates as people write them, and ISO dates.

    Attributes:
        task: `"dates"`.
        order: Of year, month and day in the target: `"iso"`, or `"source"` for that of the source,
            which makes the task monotonic.
    """

    task: Literal["dates"] = "dates"
    order: Literal["iso", "source"] = "iso"


@dataclass(frozen=True)
class PairsConfig(DataConfig):
    """A few pairs that stand in the recipe itself, to be learned by heart.

    There are no others to validate on and to test on: that is done with the same ones.

    Attributes:
        task: `"pairs"`.
        pairs: Source and target of each.
    """

    pairs: Sequence[tuple[str, str]] = ()
    task: Literal["pairs"] = "pairs"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.pairs or any("\n" in side for pair in self.pairs for side in pair):
            raise ValueError(
                "Argument `pairs` must hold pairs of source and target, each of one line, for "
                "example data.pairs=[[to go, ir]]. "
                f"Received: pairs={list(self.pairs)}"
            )
        object.__setattr__(self, "pairs", tuple((source, target) for source, target in self.pairs))


@dataclass(frozen=True)
class CorpusConfig(DataConfig):
    """Pairs from files.

    Attributes:
        task: `"corpus"`.
        train: The files to learn from.
        dev: The files to validate on; None holds out `dev_pairs` of `train` by seed, with no source
            sentence on both sides.
        held_out: The files that are kept from training for the last test; None holds out
            `held_out_pairs` of `train` likewise.
        on_problem: What a line that is not UTF-8, is empty, has too many columns or too many tokens
            leads to: an `"error"`, or to `"drop"` that line and to say so.
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
        """Where the pairs of a part stand: in files of its own, or held out of those of `train`."""
        files: CorpusFiles | None = getattr(self, part) or self.train
        return files


@dataclass(frozen=True)
class TextConfig:
    """How text becomes tokens.

    Attributes:
        model_type: SentencePiece's model.
        source_vocabulary: The most source tokens.
        target_vocabulary: The most target tokens.
        shared: One tokenizer for both sides, of `target_vocabulary` tokens, learned from both.
        normalization: SentencePiece's normalization rule.
        target_normalization: The target's, where it is another; None for the same.
    """

    model_type: ModelType = "unigram"
    source_vocabulary: int = 8000
    target_vocabulary: int = 8000
    shared: bool = False
    normalization: Normalization = "nmt_nfkc"
    target_normalization: Normalization | None = None

    def __post_init__(self) -> None:
        _check_all_positive(self, "source_vocabulary", "target_vocabulary")
        if self.shared and self.target_normalization not in (None, self.normalization):
            raise ValueError(
                "Argument `target_normalization` cannot differ where one tokenizer is shared. "
                f"Received: normalization={self.normalization!r}, "
                f"target_normalization={self.target_normalization!r}"
            )


@dataclass(frozen=True)
class SamplingConfig:
    """Scheduled sampling: how often the decoder reads tokens of its own in training.

    With the probability epsilon it is given the true token, see `keras_attention.schedules`.

    Attributes:
        schedule: Epsilon as a function of the training step i: `"linear"`, `max(minimum, k - c i)`;
            `"exponential"`, `k^i`; `"inverse_sigmoid"`, `k / (k + exp(i / k))`; None to always give
            the true token.
        k: As in the formula; of `"linear"` it is 1 where it is not given.
        c: The slope of `"linear"`.
        minimum: The least epsilon of `"linear"`.
        temperature: Of the distribution that is drawn from; 0 takes the likeliest token.
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
                    f"Argument `{name}` must be given with schedule={self.schedule!r}. "
                    f"Received: {name}=None"
                )
            if value is not None and not takes[name]:
                raise ValueError(
                    f"Argument `{name}` has no meaning with schedule={self.schedule!r}. "
                    f"Received: {name}={value}"
                )
        self.made()  # which says what is wrong with the numbers

    def made(self) -> schedules.Schedule | None:
        """The schedule, if there is one."""
        if self.schedule is None:
            return None
        if self.schedule == "linear":
            return schedules.Linear(self.c or 0.0, 1.0 if self.k is None else self.k, self.minimum)
        kinds = {"exponential": schedules.Exponential, "inverse_sigmoid": schedules.InverseSigmoid}
        return kinds[self.schedule](self.k or 0.0)


@dataclass(frozen=True)
class OptimizationConfig:
    """How the model learns.

    Attributes:
        batch_size: Pairs in a step; 64 where `batch_tokens` is not given either.
        batch_tokens: Instead of `batch_size`: tokens of the longer side in a step, padding
            counted, however many pairs these are.
        pad_to_multiple: What the lengths of a batch are multiples of: larger numbers make fewer
            shapes (each of which XLA compiles) and more padding.
        steps: Steps in all, a multiple of `steps_per_epoch`.
        steps_per_epoch: Steps between two validations (and checkpoints).
        learning_rate: The highest, reached after warm-up.
        warmup_steps: Steps over which the learning rate rises from 0; it then falls to 0 as a
            half cosine.
        weight_decay: Decoupled weight decay (AdamW) of matrices; 0 is plain Adam.
        clip_norm: Bound of the norm of all gradients together.
        label_smoothing: Fraction of the target's probability that is spread over all tokens.
        scheduled_sampling: How often the decoder reads its own tokens in training.
        average_decay: Decay of a moving average of the weights, for example 0.999, which is
            validated and kept instead of the weights themselves; 0 for none. After t steps
            the decay is at most t / (t + 9), so that the average leaves the first weights soon.
        select_by: Whether the best `"metric"` of the task or the least `"loss"` on the validation
            pairs decides which model is kept and when to stop.
        patience: Stop after so many validations without a better one; None to take all steps.
        seed: Seed of the weights, of dropout and of the order of the pairs.
        devices: `"one"`, or `"all"` to share each batch among all GPUs.
        jit_compile: Whether XLA compiles the step.
        dtype: Keras's dtype policy.
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
                "Either `batch_size` or `batch_tokens` must be given, the other one null "
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
                "Argument `steps` must be a multiple of `steps_per_epoch`: for example "
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
        """Validations in all."""
        return self.steps // self.steps_per_epoch


@dataclass(frozen=True)
class SearchConfig:
    """How a trained model searches where nobody says otherwise.

    Attributes:
        beam_width: Hypotheses side by side; 1 is greedy.
        length_penalty: Exponent of the length normalization.
    """

    beam_width: int = 1
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        _check_all_positive(self, "beam_width")
        _check_none_negative(self, "length_penalty")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training; what `config.yaml` in a run directory holds.

    Attributes:
        name: The recipe's name; exports carry it.
        data: Where the pairs come from.
        text: How text becomes tokens.
        model: The architecture. Vocabulary sizes follow from the tokenizers.
        training: How the model learns.
        search: How it searches by default.
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
                "model.tie_embeddings='all' needs text.shared=true: one vocabulary for both sides. "
                f"Received: text.shared={self.text.shared}"
            )

    def to_yaml(self) -> str:
        """The configuration as a recipe."""
        return yaml.safe_dump(_plain(asdict(self)), sort_keys=False, allow_unicode=True)


def _check_all_positive(section: object, *names: str) -> None:
    for name in names:
        check_positive(name, getattr(section, name))


def _check_above_zero(section: object, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        if not value > 0:
            raise ValueError(f"Argument `{name}` must be above 0. Received: {name}={value}")


def _check_none_negative(section: object, *names: str) -> None:
    for name in names:
        check_not_negative(name, getattr(section, name))


def _plain(value: Any) -> Any:
    """Lists instead of tuples, which YAML does not have."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
