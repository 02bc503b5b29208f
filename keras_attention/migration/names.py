"""The weight names of `tfa.seq2seq`: find a decoder's weights among many arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_attention.recurrent.decoder import AttentionDecoder

Arrays = Mapping[str, np.ndarray]
_MECHANISM = r"(?:Bahdanau|Luong)(?:Monotonic)?Attention(?:_\d+)?"
_WRAPPER = r"attention_wrapper(?:_\d+)?"
_NAMES_OF_ATTENTION = {
    "key_kernel": (r"memory_layer/kernel", rf"{_MECHANISM}/kernel"),
    "query_kernel": (r"query_layer/kernel", rf"{_MECHANISM}/kernel"),
    "v": (r"attention_v",),
    "g": (r"attention_g|scale_weight",),
    "bias": (r"attention_b",),
    "score_bias": (r"attention_score_bias",),
}
"""Name endings of TensorFlow Addons' attention weights, most specific first."""
_PLACES_OF_CELLS = (rf"_cell(?:/.+)?|{_WRAPPER}/(?:[^/]+/)?[^/]+", r".+")
_PLACES_OF_LAYER = (r"_attention_layers/0|attention_layer", rf"{_WRAPPER}/[^/]+")


class Wanted(NamedTuple):
    """Weights that must be found together.

    Attributes:
        label: Their name in error messages.
        variables: The weights.
        options: Candidate names; each option has one name per weight.
        expected: How TensorFlow Addons names them.
    """

    label: str
    variables: Sequence[Any]
    options: Sequence[tuple[str, ...]]
    expected: str

    def fitting(self, arrays: Arrays) -> list[tuple[str, ...]]:
        """The options whose shapes match."""
        shapes = [tuple(variable.shape) for variable in self.variables]
        return [o for o in self.options if [arrays[name].shape for name in o] == shapes]

    def chosen(self, arrays: Arrays) -> tuple[str, ...]:
        """The only option that fits; empty if there is none or more than one."""
        fitting = self.fitting(arrays)
        return fitting[0] if len(fitting) == 1 else ()

    def problem(self, arrays: Arrays) -> str:
        """Why there is no single fitting option; empty if there is one."""
        if self.chosen(arrays):
            return ""
        shapes = {variable.name: tuple(variable.shape) for variable in self.variables}
        what = f"{self.label} {shapes}"
        if fitting := self.fitting(arrays):
            return f"{what} could be any of {fitting}: rename or leave out the others"
        if self.options:
            found = [{name: arrays[name].shape for name in option} for option in self.options]
            return f"{what} has other shapes than {found}"
        alike = [n for n, array in arrays.items() if array.shape in shapes.values()]
        there = f"; rename the right one, if it is one of {alike}" if alike else ""
        return f"{what} is missing: expected {self.expected}{there}"


def wanted_of(decoder: AttentionDecoder, arrays: Arrays) -> list[Wanted]:
    """All weights of a decoder, with the candidate arrays for each."""
    return [
        *_of_cells(decoder.cells, arrays),
        *_of_attention(decoder.attention, arrays),
        *_of_layer(decoder.attention_layer, arrays),
    ]


def _ending(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that end with the first pattern that matches any of them."""
    names = list(names)
    for pattern in patterns:
        if found := [n for n in names if re.fullmatch(rf"(?:.*/)?(?:{pattern})", n)]:
            return found
    return []


def _options(
    layer: keras.layers.Layer, patterns: Iterable[str], arrays: Arrays
) -> list[tuple[str, ...]]:
    """The names of a layer's weights under each path that holds exactly these weights."""
    own = [variable.name for variable in layer.weights]
    places: dict[str, list[str]] = {}
    for place, _, name in (full.rpartition("/") for full in arrays):
        places.setdefault(place, []).append(name)
    whole = [place for place, names in places.items() if place and sorted(names) == sorted(own)]
    return [tuple(f"{place}/{name}" for name in own) for place in _ending(patterns, whole)]


def _of_cells(cells: Sequence[Any], arrays: Arrays) -> list[Wanted]:
    expected = "names ending in '_cell/kernel' and so on, with several cells '_cell/cells/0/kernel'"
    wanted = [
        Wanted(f"cell {i}", cell.weights, _options(cell, _PLACES_OF_CELLS, arrays), expected)
        for i, cell in enumerate(cells)
    ]
    fitting = [want.fitting(arrays) for want in wanted]
    for i, options in enumerate(fitting):
        alike = [k for k, others in enumerate(fitting) if others == options]
        if 1 < len(alike) == len(options):
            numbered = _by_number(options)
            wanted[i] = wanted[i]._replace(options=numbered[alike.index(i) :][:1] or options)
    return wanted


def _by_number(options: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Sort options by the number in which they differ; empty if the order is ambiguous.

    The indices of `cells/0` and `cells/1` in a checkpoint give the order; names like `lstm_cell`
    and `lstm_cell_1` do so only if they are also listed in this order.
    """
    places = [option[0].rpartition("/")[0] for option in options]
    parts = [re.fullmatch(r"(.*?)(?:([_/])(\d+))?", place) for place in places]
    bases = {part[1] for part in parts if part}
    numbers = [int(part[3] or 0) for part in parts if part]
    indexed = all(part and part[2] == "/" for part in parts)
    if len(bases) > 1 or not (indexed or numbers == sorted(numbers)):
        return []
    return [options[i] for i in np.argsort(numbers)]


def _of_attention(attention: Any, arrays: Arrays) -> list[Wanted]:
    wanted = []
    for variable in [] if attention is None else attention.weights:
        patterns = _NAMES_OF_ATTENTION.get(variable.name, ())
        options = [(name,) for name in _ending(patterns, arrays)]
        expected = (
            f"a name ending in '{patterns[0]}'" if patterns else "nothing in TensorFlow Addons"
        )
        wanted.append(Wanted(f"attention.{variable.name}", [variable], options, expected))
    return wanted


def _of_layer(layer: keras.layers.Layer | None, arrays: Arrays) -> list[Wanted]:
    if layer is None or not layer.weights:
        return []
    expected = "names ending in '_attention_layers/0/kernel' or 'attention_layer/kernel' and so on"
    options = _options(layer, _PLACES_OF_LAYER, arrays)
    return [Wanted("attention_layer", layer.weights, options, expected)]
