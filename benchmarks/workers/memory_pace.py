"""How fast the machine reads memory: matrix times vector, much larger than any cache."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from benchmarks.worker import Run, serve, threads_of
from benchmarks.workloads import READ, Case

_COLUMNS = 4096


def prepare(case: Case) -> Run:
    """Prepare to read a matrix once, each thread a share of its rows."""
    threads = threads_of(case)
    matrix = np.ones((READ // 4 // _COLUMNS, _COLUMNS), "float32")
    shares = np.array_split(matrix, threads)
    vector = np.ones(_COLUMNS, "float32")
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda share: share @ vector, shares))


if __name__ == "__main__":
    serve(prepare, f"NumPy {np.__version__}")
