"""TensorFlow implementations of the recurrence, the cross-entropy and compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_attention import backend
from keras_attention.types import Nest

_MOVES = ("Cast", "ExpandDims", "Identity", "Pack", "Reshape", "Squeeze", "Transpose")


def scan(
    step: Callable[[Nest, Nest], tuple[Nest, Nest]], carry: Nest, xs: Nest, reverse: bool = False
) -> tuple[Nest, Nest]:
    """`keras_attention.backend.scan` as a `tf.while_loop`; `reverse` starts at the last step.

    The number of iterations is bounded, because XLA requires that of a loop with a gradient. The
    first step is traced once in advance to learn the structure of the results; that trace is unused
    and pruned from graphs. A result that is an input of its step, or another of its results, is not
    stored again.
    """
    flat_xs = [tf.convert_to_tensor(x) for x in tf.nest.flatten(xs)]
    length = flat_xs[0].shape[0]
    if length is None:
        length = tf.shape(flat_xs[0])[0]
    carry = tf.nest.map_structure(tf.convert_to_tensor, carry)
    is_empty = flat_xs[0].shape[0] == 0
    first = [tf.zeros(tf.shape(x)[1:], x.dtype) if is_empty else x[0] for x in flat_xs]
    _, example = step(carry, tf.nest.pack_sequence_as(xs, first))
    if is_empty:
        return carry, tf.nest.map_structure(lambda y: y[None][:0], example)

    results = tf.nest.flatten(example)
    known = {id(x): whole for x, whole in zip(first, flat_xs, strict=True)}
    stored = {id(y): i for i, y in enumerate(results) if id(y) not in known}
    sources = [_array(x.dtype, length, x.shape[1:]).unstack(x) for x in flat_xs]
    targets = [_array_of(results[i], length) for i in stored.values()]

    def body(time: tf.Tensor, carry: Nest, targets: list[tf.TensorArray]) -> tuple[Any, ...]:
        place = length - 1 - time if reverse else time
        carry, y = step(carry, tf.nest.pack_sequence_as(xs, [s.read(place) for s in sources]))
        flat_y = tf.nest.flatten(y)
        pairs = zip(targets, stored.values(), strict=True)
        return time + 1, carry, [target.write(place, flat_y[i]) for target, i in pairs]

    _, carry, targets = tf.while_loop(
        lambda time, *_: time < length,
        body,
        (tf.constant(0), carry, targets),
        maximum_iterations=length,
    )
    known |= {key: target.stack() for key, target in zip(stored, targets, strict=True)}
    ys = [known[id(y)] for y in results]
    for y, one in zip(ys, results, strict=True):
        y.set_shape((None, *one.shape))
    return carry, tf.nest.pack_sequence_as(example, ys)


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """`keras_attention.losses.cross_entropy` in float32 or float64, with one fused softmax.

    The log-sum-exp follows from the largest logit and its probability:
    `log sum_v exp(z_v) = max(z) - log max(p)`. TensorFlow's own operation reads the logits several
    times.
    """
    size = logits.shape[-1]
    shape, targets = tf.shape(targets), tf.reshape(targets, [-1])

    def plain(logits: tf.Tensor) -> list[tf.Tensor]:
        return [backend.cross_entropy(logits, targets, label_smoothing)]

    @tf.custom_gradient
    def losses(logits: tf.Tensor) -> Any:
        p = tf.nn.softmax(logits)
        largest, rest = tf.reduce_max(logits, -1), tf.math.log(tf.reduce_max(p, -1))
        found = largest - tf.gather(logits, targets, batch_dims=1) - rest
        if label_smoothing:
            uniform = largest - tf.reduce_mean(logits, -1) - rest
            found = (1.0 - label_smoothing) * found + label_smoothing * uniform

        def gradient(d: tf.Tensor) -> tf.Tensor:
            each = d[:, None]
            d_logits = p * each
            if label_smoothing:
                d_logits -= (label_smoothing / size) * each
            places = tf.stack([tf.range(tf.size(targets)), targets], -1)
            d_logits = tf.tensor_scatter_nd_sub(d_logits, places, (1.0 - label_smoothing) * d)
            (d_logits,) = differentiable([d_logits], plain, [logits], [d])
            return d_logits

        return found, gradient

    return tf.reshape(losses(tf.reshape(logits, (-1, size))), shape)


def differentiable(
    found: Sequence[tf.Tensor | None],
    plain: Callable[..., Sequence[tf.Tensor]],
    inputs: Sequence[tf.Tensor],
    upstream: Sequence[tf.Tensor],
) -> list[tf.Tensor | None]:
    """Return the results of a custom gradient, whose derivatives are those of a plain formulation.

    The plain formulation is not traced unless somebody differentiates the gradient.

    Args:
        found: The gradient of each input, or None.
        plain: Maps the inputs to the differentiated results.
        inputs: What the function was differentiated for.
        upstream: The gradients of the results.
    """
    places = [i for i, d in enumerate(found) if d is not None]
    sources = [*inputs, *upstream]

    @tf.custom_gradient
    def first(*tensors: tf.Tensor) -> Any:
        def second(*upstream_again: tf.Tensor) -> list[tf.Tensor | None]:
            with tf.GradientTape(watch_accessed_variables=False) as outer:
                outer.watch(sources)
                with tf.GradientTape(watch_accessed_variables=False) as inner:
                    inner.watch(inputs)
                    with backend.plain_gradients():
                        results = plain(*inputs)
                again = inner.gradient(
                    results, inputs, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO
                )
                again = [again[i] for i in places]
            return [None] * len(places) + outer.gradient(again, sources, upstream_again)

        return tensors[: len(places)], second

    derived = dict(zip(places, first(*(found[i] for i in places), *sources), strict=True))
    return [derived.get(i) for i in range(len(found))]


def dropout(
    inputs: tf.Tensor, rate: float, seed: Any, noise_shape: Sequence[int | None] | None
) -> tf.Tensor:
    """`keras_attention.backend.dropout`, by Philox."""
    if noise_shape is not None:
        sizes = tf.shape(inputs)
        noise_shape = [sizes[i] if size is None else size for i, size in enumerate(noise_shape)]
    state = seed.next()
    key = tf.cast(tf.math.floormod(state, tf.cast(tf.int32.max - 1, state.dtype)), "int32")
    return tf.nn.experimental.stateless_dropout(inputs, rate, key, "philox", noise_shape)


def is_softmax(x: Any) -> bool:
    """`keras_attention.backend.is_softmax`.

    Keras notes the logits on the tensor. In a graph, the softmax is also found behind operations
    that only move or cast values, such as those of `keras.layers.TimeDistributed`.
    """
    if hasattr(x, "_keras_logits"):
        return True
    op = x.op if tf.is_symbolic_tensor(x) else None
    while op is not None and op.type in _MOVES and len(op.inputs):
        op = op.inputs[0].op
    return op is not None and op.type == "Softmax"


def has_gpu() -> bool:
    """Whether there is a GPU, as Keras asks before it uses cuDNN."""
    return bool(tf.config.list_logical_devices("GPU"))


def compiled(function: Callable[..., Any], shapes: Nest = None) -> Callable[..., Any]:
    """`keras_attention.backend.compiled` as a `tf.function` that is traced once.

    AutoGraph is off: it rereads the source files when it traces, which is slow, and wrong if they
    have changed since the program started.
    """
    made: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if not made:
            specs = tf.nest.map_structure(_of_any_size, arguments)
            if shapes is not None:
                known = [
                    tf.TensorSpec(shape, spec.dtype)
                    for shape, spec in zip(shapes, tf.nest.flatten(specs[0]), strict=True)
                ]
                specs = (tf.nest.pack_sequence_as(specs[0], known), *specs[1:])
            made.append(tf.function(function, input_signature=specs, autograph=False))
        return made[0](*arguments)

    return call


def jitted(
    function: Callable[..., Any], arguments: Sequence[tf.Tensor], with_xla: bool
) -> Callable[..., Any]:
    """`keras_attention.backend.jitted` as a concrete function without AutoGraph; see `compiled`."""
    made = tf.function(function, jit_compile=with_xla, autograph=False)
    return made.get_concrete_function(*arguments)


def _of_any_size(x: Any) -> tf.TensorSpec:
    tensor = tf.convert_to_tensor(x)
    return tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype)


def _array(dtype: tf.DType, size: Any, shape: tf.TensorShape) -> tf.TensorArray:
    return tf.TensorArray(dtype, size=size, element_shape=shape)


def _array_of(example: tf.Tensor, size: Any) -> tf.TensorArray:
    """Return an empty array for tensors with the shape of an example.

    LiteRT needs the shape when it makes the array, and has a static batch size. If another axis is
    known only when the graph runs, the example is computed for its shape.
    """
    dtype, shape = example.dtype, example.shape
    if tf.executing_eagerly() or shape.is_fully_defined() or not shape.rank or shape[0] is None:
        return _array(dtype, size, shape)
    empty = tf.raw_ops.TensorListReserve(
        element_shape=tf.shape(example), num_elements=size, element_dtype=dtype
    )
    return tf.TensorArray(dtype, flow=empty)
