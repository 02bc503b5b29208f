"""The processes that train one model together; and what they say to each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np

from training.program import ConfigError, RunError

_HEARTBEAT, _SHUTDOWN = 10, 15  # seconds after which a silent process counts as dead
_ADDRESS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


@dataclass(frozen=True)
class _Launcher:
    """The variables that a launcher sets.

    Attributes:
        index: That with the number of a process.
        count: That with the number of processes.
        address: That from which JAX finds the address of the first process; it also finds the
            device then. Empty if there is no such variable.
    """

    index: str
    count: str
    address: str = ""


_SLURM = _Launcher("SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NODELIST")
_LAUNCHERS = (
    _Launcher("KERAS_DISTRIBUTION_PROCESS_ID", "KERAS_DISTRIBUTION_NUM_PROCESSES"),
    _SLURM,
    _Launcher("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_MCA_orte_hnp_uri"),
)


@dataclass(frozen=True)
class Place:
    """The place of this process among those that a launcher has started.

    Attributes:
        index: Its number, from 0.
        count: The number of processes.
        address: `host:port`, where the first process listens; None if JAX finds it.
        is_known_to_jax: Whether JAX finds the device of this process.
    """

    index: int
    count: int
    address: str | None
    is_known_to_jax: bool


def place_in(environment: Mapping[str, str]) -> Place | None:
    """Find this process's place in the environment; None if it trains alone.

    `KERAS_DISTRIBUTION_PROCESS_ID`, `..._NUM_PROCESSES` and `..._JOB_ADDRESSES` come first, which
    `training.launch` sets, too; then the variables of SLURM's `srun` and of Open MPI's `mpirun`.

    Raises:
        ConfigError: If a number makes no sense, or the address is missing.
    """
    for launcher in _LAUNCHERS:
        index, count = (environment.get(name, "") for name in (launcher.index, launcher.count))
        is_known = launcher.address in environment
        is_script = launcher is _SLURM and not is_known  # which runs once, and calls srun
        if count in ("", "1") or is_script:
            continue
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ConfigError(
                f"The environment variables {launcher.index} and {launcher.count} must be the "
                "number of this process, from 0, and the number of processes. "
                f"Received: {launcher.index}={index!r}, {launcher.count}={count!r}"
            )
        address = environment.get(_ADDRESS, "").split(",")[0] or None
        if address is None and not is_known:
            raise ConfigError(
                f"The environment variable {_ADDRESS} must be host:port of the first process, for "
                f"example 10.0.0.1:1234. Received: {launcher.count}={count} without {_ADDRESS}"
            )
        return Place(int(index), int(count), address, is_known)
    return None


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Attributes:
        index: The number of this process; the first one, 0, writes the run.
        count: The number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    def exchange(self, message: bytes) -> list[bytes]:
        """Wait for all processes, and return what each of them says."""
        if self.count == 1:
            return [message]
        from jax.experimental.multihost_utils import process_allgather

        sizes = process_allgather(np.array(len(message)))
        padded = np.frombuffer(message.ljust(sizes.max(), b"\0"), "uint8")
        said = process_allgather(padded)
        return [row[:size].tobytes() for row, size in zip(said, sizes, strict=True)]

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """Run a block in each process, and go on only if it succeeds in all of them.

        Raises:
            RunError: If another process failed.
        """
        try:
            yield
        except Exception as error:
            self.exchange(f"{error or type(error).__name__}".encode())
            raise
        for index, failure in enumerate(self.exchange(b"")):
            if failure:
                raise RunError(f"Process {index} failed: {failure.decode()}")

    def leave(self) -> None:
        """Wait for the others a last time, however long they take, and part from them."""
        if self.count > 1:
            import jax

            self.exchange(b"")
            jax.distributed.shutdown()


@cache
def joined() -> Processes:
    """Join the other processes that a launcher has started; do nothing if there are none.

    Raises:
        ConfigError: If there are some, and Keras's backend is not JAX.
    """
    place = place_in(os.environ)
    if place is None:
        return Processes()
    if keras.backend.backend() != "jax":
        raise ConfigError(
            f"Training in {place.count} processes needs KERAS_BACKEND=jax. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}"
        )
    import jax

    jax.distributed.initialize(
        coordinator_address=place.address,
        num_processes=place.count,
        process_id=place.index,
        cluster_detection_method=None if place.is_known_to_jax else "deactivate",
        heartbeat_timeout_seconds=_HEARTBEAT,
        shutdown_timeout_seconds=_SHUTDOWN,
    )
    return Processes(place.index, place.count)
