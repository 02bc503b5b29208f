"""Which precision and compiler train a recurrent model fastest on this device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention import backend
from keras_attention.checks import check_positive
from keras_attention.types import Tensor

__all__ = ["Advice", "advise"]

# How many times as fast products must be: they are only part of a step, and noise must not decide.
_MARGIN = 1.6
_POLICIES = ("float32", "mixed_bfloat16")
_GIVEN = "given"
_COMPILATION = 8.0  # seconds for each shape of a training step
_SAVED_BY_XLA = 3.0  # of each step, in products of this size; 2 to 6 on different processors
_ENOUGH, _MOST_LINKS = 0.005, 16  # seconds of a chain that can be timed, and its length
_FEWEST, _TURNS, _LIMIT = 3, 9, 0.5  # turns of the timing, and its seconds beyond the fewest


@dataclass(frozen=True)
class Advice:
    """How to train fastest.

    Attributes:
        dtype: The Keras dtype policy, `"float32"` or `"mixed_bfloat16"` if it was not given.
        jit_compile: Whether to compile with XLA, as `keras.Model.compile` takes it.
        reasons: Why, a sentence for each of the two.
    """

    dtype: str
    jit_compile: bool
    reasons: tuple[str, str]


class _Way(NamedTuple):
    policy: str
    with_xla: bool

    @property
    def dtype(self) -> str:
        return str(keras.DTypePolicy(self.policy).compute_dtype)


def advise(
    *,
    units: int,
    tokens: int,
    steps: int,
    shapes: int = 1,
    devices: int = 1,
    dtype: str | None = None,
    jit_compile: bool | None = None,
) -> Advice:
    """Advise on the precision and the compiler of a training, from products timed on this device.

    What is timed, in turns and in about a second, are the products of a recurrent layer over a
    whole batch, `(tokens, units) x (units, 4 units)` and back. Half precision is advised if they
    are 1.6 times as fast. XLA is advised if its products are about as fast as the backend's own (in
    bfloat16 on a CPU they are not), and the remaining steps save more than the compilations cost.
    On JAX, XLA is the only compiler; on PyTorch there is none.

    Two calls may advise differently, and with other rounding the same training has other numbers:
    store what was advised if it is to be repeated.

    Args:
        units: The size of the recurrent state.
        tokens: The number of positions in a batch, of the longer side.
        steps: The number of training steps that are left.
        shapes: The number of different batch shapes, each of which XLA compiles.
        devices: The number of devices that share a batch. Keras cannot compile for several.
        dtype: The dtype policy if it is given, for example `"float32"`; None to choose.
        jit_compile: Whether to compile if that is given; None to choose.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> import keras_attention as ka
        >>> config = ka.Seq2SeqConfig(99, 99, 8, encoder_units=8, decoder_units=8)
        >>> advice = ka.advice.advise(units=config.decoder_units, tokens=64 * 20, steps=100)
        >>> model = ka.Seq2Seq(config, dtype=advice.dtype)
        >>> loss = ka.losses.MaskedCrossEntropy()
        >>> model.compile("adam", loss, jit_compile=advice.jit_compile)
        >>> advice.dtype in ("float32", "mixed_bfloat16")
        True
    """
    numbers = {"units": units, "tokens": tokens, "steps": steps, "shapes": shapes}
    for name, value in {**numbers, "devices": devices}.items():
        check_positive(name, value)
    compilers = _compilers(devices) if jit_compile is None else (jit_compile,)
    policies = _POLICIES if dtype is None else (dtype,)
    ways = [_Way(policy, with_xla) for policy in policies for with_xla in compilers]
    seconds = _product_seconds(ways, units, tokens) if len(ways) > 1 else {}
    policy, why_policy = dtype, _GIVEN
    if policy is None:
        policy, why_policy = _precision(seconds, compilers[0])
    compiler, why_compiler = compilers[0], _GIVEN
    if len(compilers) > 1:
        compiler, why_compiler = _compiler(seconds, policy, steps, shapes)
    elif jit_compile is None:
        is_forbidden = devices > 1 and not compiler
        only = f"Keras has nothing else on {keras.backend.backend()}"
        why_compiler = f"there are {devices} devices" if is_forbidden else only
    return Advice(policy, compiler, (why_policy, why_compiler))


def _compilers(devices: int) -> tuple[bool, ...]:
    """Whether XLA compiles; the first one is the backend's usual way."""
    if keras.backend.backend() == "jax":
        return (True,)
    if keras.backend.backend() == "torch" or devices > 1:
        return (False,)
    return (False, True)


def _precision(seconds: Mapping[_Way, float], with_xla: bool) -> tuple[str, str]:
    full, half = (seconds[_Way(policy, with_xla)] for policy in _POLICIES)
    is_worth_it = half * _MARGIN < full
    times = f"a product takes {1e3 * full:.2g} ms in float32 and {1e3 * half:.2g} ms in bfloat16"
    need = f"; that must be {_MARGIN:g} times as fast to be worth it"
    return _POLICIES[is_worth_it], times if is_worth_it else times + need


def _compiler(
    seconds: Mapping[_Way, float], policy: str, steps: int, shapes: int
) -> tuple[bool, str]:
    own, xla = (seconds[_Way(policy, with_xla)] for with_xla in (False, True))
    if xla > _MARGIN * own:
        return False, f"XLA's product takes {xla / own:.1f} times as long"
    saved, spent = steps * _SAVED_BY_XLA * own, shapes * _COMPILATION
    times = f"compiling the batch shapes takes about {spent:,.0f} s, and saves about {saved:,.0f} s"
    return saved > spent, times


def _product_seconds(ways: list[_Way], units: int, tokens: int) -> dict[_Way, float]:
    """Time the products in turns; return the shortest time of one in each way."""
    links, chains = 1, {way: _chain(way, units, tokens, 1) for way in ways}
    first = _seconds(chains[ways[0]])
    if first < _ENOUGH:  # a GPU: more of them, so that starting them does not count
        links = min(_MOST_LINKS, int(_ENOUGH / first) + 1)
        chains = {way: _chain(way, units, tokens, links) for way in ways}
    times: dict[_Way, list[float]] = {way: [] for way in ways}
    end = time.perf_counter() + _LIMIT
    for turn in range(_TURNS):
        if turn >= _FEWEST and time.perf_counter() > end:
            break
        for way, chain in chains.items():
            times[way].append(_seconds(chain))
    return {way: min(found) / (2 * links) for way, found in times.items()}


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _chain(way: _Way, units: int, tokens: int, links: int) -> Callable[[], Any]:
    """Return a function that computes a chain of products, and waits for them."""

    def filled(*shape: int) -> Tensor:
        return ops.full(shape, 0.01, way.dtype)

    def chain(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
        for _ in range(links):
            x = ops.matmul(ops.matmul(x, up), down)
        return ops.cast(x[0, 0], "float32")

    arrays = filled(tokens, units), filled(units, 4 * units), filled(4 * units, units)
    compiled = backend.jitted(chain, arrays, way.with_xla)

    def run() -> Any:
        return ops.convert_to_numpy(compiled(*arrays))

    run()  # compiles
    return run
