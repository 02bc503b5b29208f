"""Train in several processes: `python -m training.launch --processes N -- --recipe ... --out RUN`.

What follows `--` are the arguments of `training.train`. The processes run on this machine, each
with its share of the cores and, where there are GPUs, with one of them; with `--ray`, on a Ray
cluster, which starts them again after a failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from training.program import RESUME, ConfigError, RunError, guarded
from training.train import main as train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.launch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --processes N [--ray ADDRESS] [--failures N] -- --recipe ... --out RUN",
    )
    parser.add_argument("--processes", type=int, required=True, help="how many")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="the Ray cluster to run on: host:port, ray://host:port or auto; local starts one here",
    )
    parser.add_argument(
        "--failures",
        type=int,
        default=3,
        help="how often Ray starts the processes again (default: %(default)s; -1: always)",
    )
    parser.add_argument("train", nargs="*", help="after --: the arguments of training.train")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"{' '.join(unknown)}: put -- before the arguments of training.train")

    return guarded(
        lambda: _launch(options),
        ConfigError,
        OSError,
        RunError,
        interrupted=f"Interrupted. {RESUME}",
    )


def _launch(options: argparse.Namespace) -> int:
    if options.processes < 1:
        raise ConfigError(
            f"Argument `--processes` must be at least 1. Received: {options.processes}"
        )
    for name in ("jax",) if options.ray is None else ("jax", "ray"):
        if find_spec(name) is None:
            raise ConfigError(f'No module named {name!r}: pip install ".[training,hosts]"')
    if options.ray is None:
        from training.hosts import local

        return local.run(options.processes, options.train)
    from training.hosts import on_ray

    return on_ray.run(train, options.ray, options.processes, options.train, options.failures)


if __name__ == "__main__":
    sys.exit(main())
