"""Code shared by the workers on PyTorch: the fastest settings, and a training step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from torch import Tensor, nn

from benchmarks.worker import Run, threads_of
from benchmarks.workloads import Case


def set_up(case: Case) -> None:
    """Set threads and seed, and use oneDNN's products, which can be faster than MKL's.

    Where this setting would round to bfloat16, as on some processors, it is reverted.
    """
    torch.set_num_threads(threads_of(case))
    torch.manual_seed(0)
    x, y = torch.rand(2, 256, 256)
    exact = x.double() @ y.double()
    torch.set_float32_matmul_precision("medium")
    if float(((x @ y).double() / exact - 1.0).abs().max()) > 1e-5:
        torch.set_float32_matmul_precision("highest")


def training_step(case: Case, weights: Iterable[nn.Parameter], loss: Callable[[], Tensor]) -> Run:
    """Return a training step: forward, backward and Adam, in a fused kernel if available."""
    weights = list(weights)
    try:
        optimizer = torch.optim.Adam(weights, 1e-3, fused=True)
    except RuntimeError:
        optimizer = torch.optim.Adam(weights, 1e-3)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bfloat16"):
            value = loss()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step
