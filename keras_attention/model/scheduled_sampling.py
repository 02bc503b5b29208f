"""Scheduled sampling: a model that learns from its own tokens what to do after a mistake."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.checks import check_not_negative
from keras_attention.decoding import scheduled_decoding
from keras_attention.model.config import Seq2SeqConfig, with_current_names
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.schedules import Schedule, check_schedule
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention", name="ScheduledSampling")
class ScheduledSamplingModel(Seq2Seq):
    """A `Seq2Seq` that in training reads its own tokens instead of some of the true ones.

    Formula: the decoder's input `x_t = y_t` with probability `epsilon_i`, else
    `x_t ~ softmax(log p(. | x_<t) / temperature)`, each token by itself, where i counts the steps
    of the optimizer. The loss is that of the true tokens.

    A training step writes the target first, one token after the other, without dropout and without
    a gradient; then it is a step of teacher forcing with what was read. That is the gradient of
    scheduled sampling, in which none goes through a choice, and the decoder's loop is the one that
    every model has. With a probability of 1 the numbers are those of `Seq2Seq`.

    Outside of training it is a `Seq2Seq` with the same weights in the same order:
    `plain.set_weights(model.get_weights())`.

    Args:
        config: The architecture.
        schedule: `epsilon` as a function of i, one of `keras_attention.schedules`.
        temperature: Below 1 sharpens the distribution that is drawn from; 0 takes the likeliest
            token.
        seed: Seed of what is drawn, or None.
        dtype: As in `Seq2Seq`.

    Raises:
        TypeError: If `schedule` is not a schedule.
        ValueError: If `temperature` is negative; in training, if the model is not compiled, because
            its optimizer counts the steps, or the backend is JAX, where a step does not see them.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> model = ka.model.ScheduledSamplingModel(
        ...     ka.Seq2SeqConfig(source_vocabulary=11, target_vocabulary=13),
        ...     schedule=ka.schedules.InverseSigmoid(k=500),
        ... )
        >>> model.compile("adam", ka.losses.MaskedCrossEntropy())
        >>> inputs = {"source": np.array([[5, 6, 2]]), "target": np.array([[1, 7]])}
        >>> history = model.fit(inputs, np.array([[7, 2]]), verbose=0)

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
        """Logits (B, T, V); in training of what `read` gives."""
        if training:
            self._check_counts()
            source, target = inputs["source"], inputs["target"]
            chances = keras.random.uniform((2, *ops.shape(target)), seed=self.seed_generator)
            read = self.read(source, target, chances[0], chances[1])
            inputs = {"source": source, "target": ops.cast(read, target.dtype)}
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def read(self, source: Tensor, target: Tensor, given: Tensor, drawn: Tensor) -> Tensor:
        """What the decoder reads at the optimizer's step.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            target: Ids (B, T), the start token first, padded with 0 on the right.
            given: (B, T), from 0 to below 1: a token is given where it is below epsilon.
            drawn: (B, T), likewise: what the others are drawn by.

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
        if keras.backend.backend() == "jax":  # it would be the first step for ever
            raise ValueError(
                "Scheduled sampling is trained on TensorFlow or PyTorch: on JAX a step does "
                "not see how many the optimizer has made. Received: backend='jax'"
            )
        if getattr(self, "optimizer", None) is None:
            raise ValueError(
                "Scheduled sampling counts the steps of the optimizer: call "
                "`compile(optimizer, ...)` before training. Received: optimizer=None"
            )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "temperature": self.temperature,
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> ScheduledSamplingModel:
        """A model like the one that `get_config` described."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        own = Seq2SeqConfig(**with_current_names(config["config"]))
        return cls(**{**config, "config": own, "schedule": schedule})
