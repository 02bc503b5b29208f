"""A training step over all devices, whose gradients are summed once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import broadcast_one_to_all
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

from keras_attention.losses.tokens import token_weights
from training.hosts.draws import by_row

State = tuple[list[Any], list[Any], list[Any], list[Any]]
"""What Keras trains: trainable and other variables of the model, of the optimizer, of metrics."""

_ROWS = "rows"


def train_function(
    model: keras.Model, devices: Sequence[jax.Device]
) -> Callable[[State, Iterator[Any]], tuple[dict[str, Any], State]]:
    """Return what `fit` calls for each step: `model.train_function`.

    Each device computes the sums over its rows of a batch, and adds them up with the others once,
    after its last time step. Formula, with the mean loss L_d and gradient g_d over the n_d target
    tokens of device d: `g = sum_d g_d n_d / sum_d n_d`, likewise the loss; then the optimizer
    clips, averages and updates as on one device.

    Between the steps of an epoch, the state stays on the devices. Whoever reads or changes
    variables after an epoch must call `to_own_device` first.

    Args:
        model: The compiled model.
        devices: The devices of all processes, equally many of each.
    """
    mesh = Mesh(np.array(devices), (_ROWS,))
    everywhere, by_rows = NamedSharding(mesh, Spec()), NamedSharding(mesh, Spec(_ROWS))
    step = compiled_step(model, mesh)

    def on_all(value: Any) -> Any:
        if getattr(value, "sharding", None) == everywhere:
            return value
        own = np.asarray(value)
        return jax.make_array_from_callback(own.shape, everywhere, lambda index: own[index])

    def of_all(own: Any) -> Any:
        return jax.make_array_from_process_local_data(by_rows, np.asarray(own))

    def run(state: State, batches: Iterator[Any]) -> tuple[dict[str, Any], State]:
        batch = jax.tree.map(of_all, next(batches))
        return step(jax.tree.map(on_all, state), batch)

    return run


def compiled_step(model: keras.Model, mesh: Mesh) -> Any:
    """Return the step as a function of the state and a batch, compiled for each shape."""
    return jax.jit(
        lambda state, batch: _step(model, mesh, state, batch),
        donate_argnums=0,
        out_shardings=NamedSharding(mesh, Spec()),
    )


def from_first(model: keras.Model) -> None:
    """Give the model's and the optimizer's variables the values that they have in the first one."""
    variables = (*model.variables, *model.optimizer.variables)
    values = broadcast_one_to_all([np.asarray(variable.value) for variable in variables])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def to_own_device(model: keras.Model) -> None:
    """Move all variables from the devices of all processes to one device of this process.

    A computation with variables that lie on the devices of all processes has to be started by all.
    """
    for variable in (*model.variables, *model.optimizer.variables, *model.metrics_variables):
        variable.assign(np.asarray(variable.value))


def _step(model: Any, mesh: Mesh, state: State, batch: Any) -> tuple[dict[str, Any], State]:
    inputs, targets = batch[:2]
    loss, gradients, outputs, others = jax.shard_map(
        functools.partial(_summed_gradients, model),
        mesh=mesh,
        in_specs=(Spec(), Spec(_ROWS), Spec(_ROWS)),
        out_specs=(Spec(), Spec(), Spec(_ROWS), Spec()),
        check_vma=False,
    )(state, inputs, targets)
    trained, _, of_optimizer, of_metrics = state
    trained, of_optimizer = model.optimizer.stateless_apply(of_optimizer, gradients, trained)
    logs, of_metrics = model._update_metrics_variables(
        of_metrics, loss, inputs, targets, outputs, None
    )
    return logs, (trained, others, of_optimizer, of_metrics)


def _summed_gradients(model: Any, state: State, inputs: Any, targets: Any) -> tuple[Any, ...]:
    """On one device: loss and gradients over all rows, its own outputs, other variables."""
    trained, others, of_optimizer, of_metrics = state
    tokens = token_weights(targets).sum()
    share = tokens / jax.lax.psum(tokens, _ROWS)

    def own_part(trained: list[Any]) -> tuple[Any, Any]:
        loss, (unscaled, outputs, others_, _) = model.compute_loss_and_updates(
            trained,
            others,
            of_metrics,
            inputs,
            targets,
            None,
            training=True,
            optimizer_variables=of_optimizer,
        )
        return loss * share, (unscaled * share, outputs, others_)

    rows = len(targets)
    with by_row(jax.lax.axis_index(_ROWS) * rows, rows):
        (_, (loss, outputs, others)), gradients = jax.value_and_grad(own_part, has_aux=True)(
            trained
        )
    loss, gradients = jax.lax.psum((loss, gradients), _ROWS)
    return loss, gradients, outputs, others
