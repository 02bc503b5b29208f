"""Scheduled sampling: train a model on its own tokens, so that it learns to recover from errors."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.checks import check_not_negative
from keras_attention.decoding import scheduled_decoding
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.parts import with_parts_config
from keras_attention.schedules import Schedule, check_schedule
from keras_attention.stored import Architecture
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class ScheduledSampling(Seq2Seq):
    """A `Seq2Seq` that reads some of its own tokens instead of the true ones during training.

    Formula: the decoder input `x_t = y_t` with probability `epsilon_i`, else
    `x_t ~ softmax(log p(. | x_<t) / temperature)`, independently for each token, where i is the
    optimizer step. The loss is computed on the true tokens.

    A training step first draws the decoder inputs one token at a time, without dropout or
    gradients, and then runs teacher forcing on them. This gives the gradient of scheduled sampling,
    which does not flow through the choices, and reuses the decoder loop of `Seq2Seq`. With
    probability 1 the results equal those of `Seq2Seq`.

    Outside of training it is a `Seq2Seq` with the same weights in the same order:
    `plain.set_weights(model.get_weights())`.

    Args:
        config: The architecture.
        schedule: `epsilon` as a function of i, from `keras_attention.schedules`.
        temperature: Below 1 sharpens the sampling distribution; 0 takes the likeliest token.
        seed: Random seed, or None.
        dtype: As in `Seq2Seq`.

    Raises:
        TypeError: If `schedule` is not a schedule.
        ValueError: If `temperature` is negative; in training, if the model is not compiled, since
            the optimizer counts the steps, or on JAX, where a training step cannot see that count.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> model = ka.model.ScheduledSampling(
        ...     ka.Seq2SeqConfig(source_vocabulary=11, target_vocabulary=13),
        ...     schedule=ka.schedules.InverseSigmoid(k=500),
        ... )
        >>> model.compile("adam", ka.losses.MaskedCrossEntropy())
        >>> inputs = {"source": np.array([[5, 6, 2]]), "target": np.array([[1, 7]])}
        >>> tuple(model(inputs, training=True).shape)  # as `model.fit` calls it
        (1, 2, 13)

    Reference: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4.
    """

    def __init__(
        self,
        config: Seq2SeqConfig,
        schedule: Schedule,
        temperature: float = 1.0,
        seed: int | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, dtype=dtype, **kwargs)
        check_schedule(schedule)
        check_not_negative("temperature", temperature)
        self.schedule = schedule
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(
        self,
        inputs: dict[str, Tensor],
        training: bool | None = None,
        mask: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        """Logits (B, T, V); in training, for the decoder inputs from `read`."""
        if training:
            self._check_counts()
            source, target = inputs["source"], inputs["target"]
            chances = keras.random.uniform((2, *ops.shape(target)), seed=self.seed_generator)
            read = self.read(source, target, chances[0], chances[1])
            inputs = {"source": source, "target": ops.cast(read, target.dtype)}
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def read(self, source: Tensor, target: Tensor, given: Tensor, drawn: Tensor) -> Tensor:
        """The decoder inputs at the current optimizer step.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            target: Ids (B, T), the start token first, padded with 0 on the right.
            given: Random numbers (B, T) in [0, 1): the true token is read where they are below
                epsilon.
            drawn: Random numbers (B, T) in [0, 1) that draw the other tokens.

        Returns:
            Ids (B, T); the first token is always given, and padding stays padding.
        """
        memory, state = self.encode(source)
        return scheduled_decoding(
            lambda tokens, state: self.decode_step(tokens, state, memory),
            state,
            target,
            ops.less(given, self.schedule(self.optimizer.iterations)),
            drawn,
            self.temperature,
        )

    def _check_counts(self) -> None:
        if keras.backend.backend() == "jax":  # the step count would stay at its first value
            raise ValueError(
                "Scheduled sampling can only be trained on TensorFlow or PyTorch: on JAX, a "
                "training step cannot see the optimizer's step count. Received: backend='jax'"
            )
        if getattr(self, "optimizer", None) is None:
            raise ValueError(
                "Scheduled sampling reads the optimizer's step count: call "
                "`compile(optimizer, ...)` before training. Received: optimizer=None"
            )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "temperature": self.temperature,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ScheduledSampling:
        """Create a model from the result of `get_config`."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        own = Seq2SeqConfig(**Architecture.with_current_names(config["config"]))
        return with_parts_config(cls, {**config, "config": own, "schedule": schedule})
