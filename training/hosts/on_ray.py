"""Run the processes of a training on a Ray cluster, which starts them again after a failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import train
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from training.hosts.local import environment, free_port
from training.program import RunError

_VARIABLES = {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0", "TF_CPP_MIN_LOG_LEVEL": "2"}  # each line once


Program = Callable[[Sequence[str]], int]


def run(program: Program, address: str, count: int, arguments: Sequence[str], failures: int) -> int:
    """Run a program in processes of a Ray cluster, and return the exit status.

    After a failure of a process or a host, all of them start again and resume after the last epoch;
    the first process must find the run where it was, so `--out` is on a disk that all hosts share,
    as are the data.

    Args:
        program: `training.train.main`.
        address: The cluster; `local` starts one on this machine.
        count: The number of processes.
        arguments: Its arguments.
        failures: How often they start again; -1 for always.

    Raises:
        RunError: If they failed more often.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster started here reports nothing
    ray.init(address, runtime_env={"env_vars": _VARIABLES})
    try:
        has_gpus = ray.cluster_resources().get("GPU", 0) >= count
        trainer = DataParallelTrainer(
            _work,
            train_loop_config={
                "program": program,
                "arguments": list(arguments),
                "folder": str(Path.cwd()),
            },
            scaling_config=ScalingConfig(num_workers=count, use_gpu=has_gpus),
            run_config=RunConfig(failure_config=FailureConfig(max_failures=failures)),
        )
        result = trainer.fit()
    except TrainingFailedError as error:
        raise RunError(f"The processes failed more than {failures} times: {error}") from error
    finally:
        ray.shutdown()
    return int(result.return_value)


def _work(given: dict[str, Any]) -> int:
    """Train in one of the processes; what `training.train` reports as an error is not repeated."""
    context = train.get_context()
    index, count = context.get_world_rank(), context.get_world_size()
    here = f"{ray.util.get_node_ip_address()}:{free_port('')}"
    address = broadcast_from_rank_zero(here if index == 0 else None)
    os.environ.update(environment(index, count, address))
    os.chdir(given["folder"])
    program: Program = given["program"]
    return program(given["arguments"])
