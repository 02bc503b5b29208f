"""An ensemble of models that decode together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

from keras import ops

from keras_attention.checks import check_one_of
from keras_attention.model.generation import StepModel
from keras_attention.types import Nest, Tensor

Mean = Literal["probabilities", "log_probabilities"]
Memories = tuple[Nest, ...]


class Ensemble(StepModel):
    """Averages the predictions of several models at every step; searches and scores like one model.

    `p(y_t | y_<t, x) = 1/M sum_m p_m(y_t | y_<t, x)`, or with `mean="log_probabilities"` the
    softmax of `1/M sum_m log p_m(y_t | y_<t, x)`, which favors tokens that all models find likely.
    Attention is the mean over the models that have it.

    Args:
        models: Two or more trained models, each a `StepModel` such as `Seq2Seq`. They must read the
            same source and share their vocabularies, id by id, which only the tokenizers can
            confirm; sizes and architectures may differ.
        mean: What to average: `"probabilities"` or `"log_probabilities"`.

    Attributes:
        models: The models.

    Raises:
        TypeError: If one of the models is not a `StepModel`.
        ValueError: If there are fewer than two models; their sources, vocabulary sizes, start or
            end ids differ; or `mean` is unknown.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> models = [ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, encoder_units=units)) for units in (3, 4)]
        >>> ensemble = ka.model.Ensemble(models)
        >>> found = ensemble.generate(np.array([[5, 6, 2]]), ka.BeamSearch(2), max_length=4)
        >>> found.ids.shape[:2], found.attention.shape[-1]
        ((1, 2), 3)

    Reference: Sutskever, Vinyals and Le 2014, section 3.6.
    """

    def __init__(self, models: Sequence[StepModel], mean: Mean = "probabilities") -> None:
        self.models = tuple(models)
        _check(self.models)
        check_one_of("mean", mean, get_args(Mean))
        self.mean = mean
        first = self.models[0]
        self.source_specs, self.target_vocabulary = first.source_specs, first.target_vocabulary
        self.start_id, self.end_id = first.start_id, first.end_id
        self.source_vocabulary = first.source_vocabulary
        self.has_attention = any(model.has_attention for model in self.models)

    @property
    def variables(self) -> list[Any]:  # type: ignore[override]
        """The variables of all models."""
        return [variable for model in self.models for variable in model.variables]

    def encode(self, source: Nest) -> tuple[Memories, tuple[Nest, ...]]:
        """Encode the source with every model.

        Returns:
            The memory of each model and the initial state of each.
        """
        memories, states = zip(*(model.encode(source) for model in self.models), strict=True)
        return memories, states

    def decode_step(
        self, tokens: Tensor, state: Sequence[Nest], memory: Memories
    ) -> tuple[Tensor, Tensor | None, tuple[Nest, ...]]:
        """Decode one step with every model; see `StepModel.decode_step`."""
        steps = [
            model.decode_step(tokens, its_state, its_memory)
            for model, its_state, its_memory in zip(self.models, state, memory, strict=True)
        ]
        log_probs, weights, states = zip(*steps, strict=True)
        attended = [ops.cast(w, "float32") for w in weights if w is not None]
        mean_weights = ops.mean(ops.stack(attended), axis=0) if attended else None
        return self._mean(ops.stack(log_probs)), mean_weights, states

    def attention_length(self, source: Nest, memory: Memories) -> int | Tensor | None:
        """The length of the first model with attention."""
        model, its_memory = self._first_with_attention(memory)
        return model.attention_length(source, its_memory)

    def attention_mask(self, source: Nest, memory: Memories) -> Tensor | None:
        """The mask of the first model with attention."""
        model, its_memory = self._first_with_attention(memory)
        return model.attention_mask(source, its_memory)

    def checked_source(self, source: Any) -> Nest:
        """The source as arrays, after the first model has checked it."""
        return self.models[0].checked_source(source)

    def _first_with_attention(self, memory: Memories) -> tuple[StepModel, Nest]:
        both = zip(self.models, memory, strict=True)
        return next((model, its_memory) for model, its_memory in both if model.has_attention)

    def _mean(self, log_probs: Tensor) -> Tensor:
        """Average the models' log-probabilities (M, B, V) to (B, V)."""
        if self.mean == "probabilities":
            return ops.logsumexp(log_probs, axis=0) - math.log(len(self.models))
        return ops.log_softmax(ops.mean(log_probs, axis=0), axis=-1)


def _check(models: Sequence[StepModel]) -> None:
    if len(models) < 2:
        raise ValueError(f"Argument `models` must hold two models or more. Received: {len(models)}")
    for model in models:
        if not isinstance(model, StepModel):
            raise TypeError(
                f"Argument `models` must hold step models. Received: a {type(model).__name__}"
            )
    for name in ("source_specs", "source_vocabulary", "target_vocabulary", "start_id", "end_id"):
        values = [getattr(model, name) for model in models]
        if len(set(map(repr, values))) > 1:
            raise ValueError(
                f"Argument `models` must hold models with one `{name}`. Received: {name}={values}"
            )
