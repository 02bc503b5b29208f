"""Scheduled sampling for outputs that are not tokens: which steps read the previous output."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.checks import check_rank
from keras_attention.schedules import Schedule, check_schedule
from keras_attention.shapes import SpecifiedLayer
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class ScheduledOutputs(SpecifiedLayer):
    """Draws which steps of an `AttentionDecoder` read the previous output instead of their input.

    Formula: `x_t = y_t` with probability `epsilon_i`, else `x_t = o_{t-1}`, drawn independently for
    each step; i counts the calls in training. Outside training, every step reads its input.

    Use it if outputs and inputs are of the same kind, such as spectrogram frames. A step reads the
    output itself, and gradients flow through it. For tokens, use `ka.model.ScheduledSampling`.

    Args:
        schedule: `epsilon` as a function of i, one of `keras_attention.schedules`.
        seed: Random seed, or None.

    Call arguments:
        inputs: (B, T, D); only the shape matters.
        training: Whether to draw.

    Returns:
        Boolean (B, T), the decoder's argument `reads_output`.

    Raises:
        TypeError: If `schedule` is not a schedule.
        ValueError: If `inputs` do not have three axes.

    Attributes:
        steps: i, the number of calls in training so far.

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> frames, memory = np.ones((2, 3, 4), "float32"), np.ones((2, 7, 6), "float32")
        >>> decoder = ka.AttentionDecoder(
        ...     keras.layers.LSTMCell(8), ka.LuongAttention(), attention_layer=keras.layers.Dense(4)
        ... )
        >>> drawn = ka.recurrent.ScheduledOutputs(ka.schedules.Linear(c=1e-4))
        >>> outputs = decoder(frames, memory=memory, reads_output=drawn(frames, training=True))
        >>> tuple(outputs.shape)
        (2, 3, 4)

    Reference: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4, applied to outputs as in
    `tfa.seq2seq.ScheduledOutputTrainingSampler`.
    """

    def __init__(self, schedule: Schedule, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_schedule(schedule)
        self.schedule = schedule
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        """Create the counter."""
        check_rank("inputs", inputs_shape, "(batch, length, features)")
        self.steps = self.add_weight(
            name="steps",
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Draw; see the class."""
        shape = ops.shape(inputs)[:2]
        if not training:
            return ops.zeros(shape, dtype="bool")
        given = self.schedule(ops.convert_to_tensor(self.steps))
        self.steps.assign(self.steps + 1)
        return ops.greater_equal(keras.random.uniform(shape, seed=self.seed_generator), given)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        """Return the symbolic result, boolean (B, T)."""
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {**super().get_config(), "schedule": schedule, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ScheduledOutputs:
        """Create a layer from the result of `get_config`."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**{**config, "schedule": schedule})
