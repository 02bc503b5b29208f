"""Every weight lies where each version of Keras saves it, not only the newest.

Before version 3.15, Keras leaves out of a file, without a word, what a layer keeps in a list or a
dictionary inside another one. The walk here is that of Keras 3.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import pytest

from tests.conformance.registry import REGISTRY

OF_EVERY_LAYER = set(dir(keras.layers.Layer()))


def attributes(layer: keras.layers.Layer) -> Iterator[Any]:
    for name in sorted(set(dir(layer)) - OF_EVERY_LAYER):
        yield getattr(layer, name, None)


def saved(found: Iterable[Any], visited: dict[int, keras.layers.Layer]) -> None:
    """Add the layers that are saved with these: themselves, and what their attributes hold."""
    for layer in found:
        if not isinstance(layer, keras.layers.Layer) or id(layer) in visited:
            continue
        visited[id(layer)] = layer
        for value in attributes(layer):
            if isinstance(value, keras.layers.Layer):
                saved([value], visited)
            elif isinstance(value, dict):
                saved(value.values(), visited)
            elif isinstance(value, list | tuple | set):
                saved(value, visited)


def number_saved(layers: Iterable[keras.layers.Layer]) -> int:
    visited: dict[int, keras.layers.Layer] = {}
    saved(layers, visited)
    store: dict[tuple[int, str], Any] = {}
    for place, layer in visited.items():
        own: dict[str, Any] = {}
        layer.save_own_variables(own)
        store.update({(place, key): value for key, value in own.items()})
    return len(store)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_weight_is_saved_by_every_version(name: str) -> None:
    model = REGISTRY[name].model()
    assert number_saved(model.layers) == len(model.weights)


class _Nested(keras.layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = [{"dense": keras.layers.Dense(3)}]

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.blocks[0]["dense"].build(shape)


def test_the_walk_does_not_see_nested_containers() -> None:
    layer = _Nested()
    layer.build((None, 5))
    assert (len(layer.weights), number_saved([layer])) == (2, 0)
