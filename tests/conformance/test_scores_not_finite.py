"""One rule for scores that are not finite, in all alignments: NaN shows, -infinity is masked."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import length_mask, randomize, to_numpy
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.public import public_classes
from tests.variants import variants

B, S, T = 3, 5, 4
MASK = length_mask([5, 4, 3], S)
ALIGNMENTS = public_classes(ka.alignments.Alignment)
each_alignment = variants(
    "name",
    [name for name in REGISTRY if name.partition("-")[0] in ALIGNMENTS],
    core=FIRST_OF_EACH_CLASS,
)
XLA_MARKS = [] if keras.backend.backend() == "jax" else [pytest.mark.thorough]
each_mode = pytest.mark.parametrize(
    "mode", ["eager", "compiled", pytest.param("XLA", marks=XLA_MARKS)]
)


class Aligned:
    """An alignment of the registry, called with scores and a mask in one mode."""

    def __init__(self, name: str, mode: str) -> None:
        self.entry, self.mode = REGISTRY[name], mode
        self.layer = self.entry.make()
        self.arrays = self.entry.arrays(B, source=S, target=T)
        mask = keras.Input((S,), dtype="bool", name="mask")
        inputs = {k: keras.Input(x.shape[1:], name=k) for k, x in self.arrays.items()}
        results = self._call(inputs, mask)
        self.model = keras.Model({**inputs, "mask": mask}, results)
        self.model.compile(jit_compile=mode == "XLA")
        randomize(self.model, seed=17)

    @property
    def scores(self) -> np.ndarray:
        return self.arrays["scores"].copy()

    def _call(self, inputs: dict[str, Any], mask: Any) -> Any:
        return self.entry.call(partial(self.layer, value_mask=mask), inputs)[0]

    def __call__(self, scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
        given = {**self.arrays, "scores": scores}
        if self.mode == "eager":
            return to_numpy(self._call(given, mask))
        return np.asarray(self.model.predict({**given, "mask": mask}, verbose=0))


def _is_jax_before_0_5() -> bool:
    import jax

    return tuple(map(int, jax.__version__.split(".")[:2])) < (0, 5)


@each_alignment
@each_mode
def test_nan_and_infinity_show_in_their_row(name: str, mode: str) -> None:
    if mode == "XLA" and keras.backend.backend() == "jax" and _is_jax_before_0_5():
        pytest.skip("the maximum of a compiled function drops NaN in this JAX, on a CPU")
    aligned = Aligned(name, mode)
    scores = aligned.scores
    scores[0, 2, 0], scores[1, 2, 3] = np.nan, np.inf
    weights, expected = aligned(scores, MASK), aligned(aligned.scores, MASK)
    assert np.isfinite(expected).all()
    for row, place in ((0, 0), (1, 3)):
        assert np.isnan(weights[row, 2, place])
        if name != "Softmax":  # which TensorFlow may take by oneDNN, where the others become 0
            np.testing.assert_array_equal(np.isnan(weights[row, 2]), MASK[row])
        assert not weights[row, 2][~MASK[row]].any()
    np.testing.assert_allclose(weights[:, :2], expected[:, :2], atol=1e-6)
    np.testing.assert_allclose(weights[2], expected[2], atol=1e-6)


@each_alignment
@each_mode
def test_minus_infinity_is_masked(name: str, mode: str) -> None:
    aligned = Aligned(name, mode)
    holes = MASK.copy()
    holes[0, 1] = holes[2, :] = False  # nothing to attend to in the last row
    scores = np.where(holes[:, None], aligned.scores, -np.inf).astype("float32")
    weights = aligned(scores, np.ones_like(MASK))
    np.testing.assert_allclose(weights, aligned(aligned.scores, holes), atol=1e-6)
    assert not weights[2].any()
