"""The configuration of a training: frozen dataclasses, filled from a recipe and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from keras_attention import schedules, stored
from keras_attention.checks import check_fraction, check_not_negative, check_positive
from keras_attention.ids import UNKNOWN_ID
from keras_attention.model.config import Seq2SeqConfig
from training.corpora.pairs import CorpusFiles

Part = Literal["train", "dev", "held_out"]  # extra pairs belong to the training
Auto = Literal["auto"]
AUTO: Auto = "auto"


@dataclass(frozen=True)
class DataConfig(stored.Data):
    """Options common to all sources of pairs; see `stored.Data`."""

    def __post_init__(self) -> None:
        _check_none_negative(self, "seed")
        _check_all_positive(self, "dev_pairs", "held_out_pairs")
        _check_all_positive(self, "max_source_length", "max_target_length")

    def files_of(self, part: Part) -> list[CorpusFiles]:
        """Return the files that contain the pairs of a part."""
        return []


@dataclass(frozen=True)
class DatesConfig(stored.DatesData, DataConfig):
    """Pairs generated on the fly; see `stored.DatesData`."""


@dataclass(frozen=True)
class PairsConfig(stored.PairsData, DataConfig):
    """A few pairs given in the recipe itself; see `stored.PairsData`."""

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
class CorpusConfig(stored.CorpusData, DataConfig):
    """Pairs from files; see `stored.CorpusData`."""

    train: CorpusFiles | None = None
    dev: CorpusFiles | None = None
    held_out: CorpusFiles | None = None
    extra: CorpusFiles | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train is None:
            raise ValueError(
                "Key `data.train` must name files: source and target, or tsv, for example "
                "data.train.tsv=pairs.tsv. Received: data.train=null"
            )
        for part in (self.dev, self.held_out, self.extra):
            if part is not None and part.shards is not None:
                raise ValueError(
                    "Only `data.train` can be shards, which hold the other parts, too. Received: "
                    f"shards={part.shards!r} in data.dev, data.held_out or data.extra"
                )

    def files_of(self, part: Part) -> list[CorpusFiles]:
        """Return the files of a part, or those of `train` if the part is held out of them."""
        files = [getattr(self, part) or self.train, self.extra if part == "train" else None]
        return [given for given in files if given is not None]


@dataclass(frozen=True)
class TextConfig(stored.Tokenizers):
    """The tokenizers; see `stored.Tokenizers`."""

    def __post_init__(self) -> None:
        _check_all_positive(self, "source_vocabulary", "target_vocabulary")
        if self.shared and self.source_model not in (None, self.target_model):
            raise ValueError(
                "Argument `source_model` must be None or equal `target_model` if `shared` is true. "
                f"Received: source_model={self.source_model!r}, "
                f"target_model={self.target_model!r}"
            )
        for name in ("model_type", "normalization"):
            both, target = getattr(self, name), getattr(self, f"target_{name}")
            if self.shared and target not in (None, both):
                raise ValueError(
                    f"Argument `target_{name}` must equal `{name}` if `shared` is true. "
                    f"Received: {name}={both!r}, target_{name}={target!r}"
                )


@dataclass(frozen=True)
class SamplingConfig(stored.ScheduledSampling):
    """How often the decoder reads its own tokens in training; see `stored.ScheduledSampling`."""

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
class OptimizationConfig(stored.Optimization):
    """Batches, steps, learning rate and regularization; see `stored.Optimization`.

    What is `"auto"` is chosen when a training begins, by `training.fitting.choices`; the run stores
    what was chosen.
    """

    pad_to_multiple: int | Auto = AUTO  # type: ignore[assignment]
    max_shapes: int | Auto | None = AUTO  # type: ignore[assignment]
    scheduled_sampling: SamplingConfig = field(default_factory=SamplingConfig)
    jit_compile: bool | Auto = AUTO  # type: ignore[assignment]
    dtype: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = AUTO  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_tokens is not None:
            raise ValueError(
                "Only one of `batch_size` and `batch_tokens` can be set; set the other to null "
                "(training.batch_tokens=null or training.batch_size=null). "
                f"Received: batch_size={self.batch_size}, batch_tokens={self.batch_tokens}"
            )
        if self.batch_tokens is None and self.batch_size is None:
            object.__setattr__(self, "batch_size", 64)
        _check_all_positive(self, "steps", "steps_per_epoch")
        if self.steps % self.steps_per_epoch:
            steps = -(-self.steps // self.steps_per_epoch) * self.steps_per_epoch
            sizes = range(1, min(self.steps, self.steps_per_epoch) + 1)
            size = max(n for n in sizes if self.steps % n == 0)
            raise ValueError(
                "Argument `steps` must be a multiple of `steps_per_epoch`, for example "
                f"training.steps={steps}, or training.steps_per_epoch={size}. "
                f"Received: steps={self.steps}, steps_per_epoch={self.steps_per_epoch}"
            )
        for name in ("batch_size", "batch_tokens", "patience", "pad_to_multiple", "max_shapes"):
            if getattr(self, name) not in (None, AUTO):
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
class SearchConfig(stored.Search):
    """The default search of the trained model; see `stored.Search`."""

    def __post_init__(self) -> None:
        _check_all_positive(self, "beam_width")
        _check_none_negative(self, "length_penalty")


@dataclass(frozen=True)
class TrainConfig(stored.RunConfig):
    """The complete configuration of a training, saved as `config.yaml` in the run directory.

    See `stored.RunConfig`.
    """

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
