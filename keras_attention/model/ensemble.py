"""An ensemble of models that decode together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

from keras import ops

from keras_attention.attention import Memory
from keras_attention.checks import check_one_of
from keras_attention.model.generation import CompiledFunctions, StepModel
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.types import Tensor

Mean = Literal["probabilities", "log_probabilities"]
Memories = tuple[Memory | None, ...]


class Ensemble(StepModel):
    """Averages the predictions of several models at every step; searches and scores like `Seq2Seq`.

    `p(y_t | y_<t, x) = 1/M sum_m p_m(y_t | y_<t, x)`, or with `mean="log_probabilities"` the
    softmax of `1/M sum_m log p_m(y_t | y_<t, x)`, which favors tokens that all models find likely.
    Attention is the mean over the models that have it.

    Args:
        models: Two or more trained models. They must share their vocabularies, id by id, which only
            the tokenizers can confirm; sizes and architectures may differ.
        mean: What to average: `"probabilities"` or `"log_probabilities"`.

    Attributes:
        config: The configuration of the first model with attention, or of the first model if none
            has it. Vocabulary sizes and start id are the same for all.

    Raises:
        TypeError: If one of the models is not a `Seq2Seq`.
        ValueError: If there are fewer than two models, their vocabularies have different sizes or
            their start ids differ, or `mean` is unknown.

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

    def __init__(self, models: Sequence[Seq2Seq], mean: Mean = "probabilities") -> None:
        self.models = tuple(models)
        _check(self.models)
        check_one_of("mean", mean, get_args(Mean))
        self.mean = mean
        configs = [model.config for model in self.models]
        self.config = next((c for c in configs if c.attention is not None), configs[0])
        self.compiled_functions = CompiledFunctions()

    @property
    def variables(self) -> list[Any]:  # type: ignore[override]
        """The variables of all models."""
        return [variable for model in self.models for variable in model.variables]

    def encode(
        self, source: Tensor, is_padded: bool = True
    ) -> tuple[Memories | None, list[list[Tensor]]]:
        """Read the source with every model; see `Seq2Seq.encode`.

        Returns:
            The memory of each model (None without attention; a single None if no model has it),
            and the initial state of each.
        """
        encoded = [model.encode(source, is_padded) for model in self.models]
        memories = tuple(memory for memory, _ in encoded)
        states = [state for _, state in encoded]
        return None if self.config.attention is None else memories, states

    def decode_step(
        self, tokens: Tensor, state: Sequence[Sequence[Tensor]], memory: Memories | None
    ) -> tuple[Tensor, Tensor | None, list[list[Tensor]]]:
        """Decode one step with every model; see `Seq2Seq.decode_step`.

        Returns:
            Log-probabilities (B, V) of the next token, weights (B, S) or None, and the next states.
        """
        memories = memory or (None,) * len(self.models)
        steps = [
            model.decode_step(tokens, its_state, its_memory)
            for model, its_state, its_memory in zip(self.models, state, memories, strict=True)
        ]
        log_probs, weights, states = zip(*steps, strict=True)
        attended = [ops.cast(w, "float32") for w in weights if w is not None]
        mean_weights = ops.mean(ops.stack(attended), axis=0) if attended else None
        return self._mean(ops.stack(log_probs)), mean_weights, list(states)

    def _mean(self, log_probs: Tensor) -> Tensor:
        """Average the models' log-probabilities (M, B, V) to (B, V)."""
        if self.mean == "probabilities":
            return ops.logsumexp(log_probs, axis=0) - math.log(len(self.models))
        return ops.log_softmax(ops.mean(log_probs, axis=0), axis=-1)


def _check(models: Sequence[Seq2Seq]) -> None:
    if len(models) < 2:
        raise ValueError(f"Argument `models` must hold two models or more. Received: {len(models)}")
    for model in models:
        if not isinstance(model, Seq2Seq):
            raise TypeError(
                f"Argument `models` must hold Seq2Seq models. Received: a {type(model).__name__}"
            )
    for name in ("source_vocabulary", "target_vocabulary", "start_id"):
        values = [getattr(model.config, name) for model in models]
        if len(set(values)) > 1:
            raise ValueError(
                f"Argument `models` must hold models with one `{name}`. Received: {name}={values}"
            )
