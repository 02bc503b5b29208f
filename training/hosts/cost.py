"""What further hosts bring: the time to compute a step against the time to sum its gradients.

A ring sums a vector of n bytes over N hosts in 2 (N - 1) rounds, in each of which every host sends
n / N bytes (Patarasuk and Yuan, 2009, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

HOSTS, GIGABITS = (2, 4, 8, 16), (25.0, 100.0, 400.0)
_BYTES = 4  # of a gradient; sums are in float32, whatever the products are in
_LATENCY = 50e-6  # seconds of a round, besides the transfer: of TCP in one data centre


class Step(NamedTuple):
    """A training step on one host.

    Attributes:
        weights: The number of trainable weights.
        seconds: The time to compute it.
    """

    weights: int
    seconds: float

    def reduction(self, hosts: int, gigabits: float) -> float:
        """Return the seconds to sum the gradients over hosts.

        Formula, with n gradients of 4 bytes, N hosts, a bandwidth of b bytes a second and a latency
        of 50 microseconds: `2 (N - 1) (4 n / (N b) + latency)`.

        Args:
            hosts: N.
            gigabits: The bandwidth of each host's network, in 10^9 bits a second.
        """
        a_round = _BYTES * self.weights / hosts / (gigabits * 1e9 / 8) + _LATENCY
        return 2 * (hosts - 1) * a_round

    def speedup(self, hosts: int, gigabits: float, batches: int = 1) -> float:
        """Return how many times as many tokens a second hosts train on as one of them.

        Each host computes `batches` batches of its own between two sums: the model sees N times
        `batches` as many tokens for each update. Formula, with the time c of a batch and r of a
        sum: `N batches c / (batches c + r)`.
        """
        computed = batches * self.seconds
        return hosts * computed / (computed + self.reduction(hosts, gigabits))

    def split_speedup(self, hosts: int, gigabits: float) -> float:
        """Return how many times as fast a step is if hosts share the rows of its batch.

        Formula: `c / (c / N + r)`. The updates are those of one host; beyond some number of hosts,
        more of them are slower.
        """
        return self.seconds / (self.seconds / hosts + self.reduction(hosts, gigabits))


def report(step: Step) -> list[str]:
    """Return lines that say what further hosts would bring to a step."""
    size = _BYTES * step.weights / 1e6
    lines = [
        f"What more hosts bring: a step takes {step.seconds:.3g} s, and its {step.weights:,} "
        f"gradients are {size:.3g} MB. Times as fast, at {_listed(GIGABITS)} Gb/s:"
    ]
    for hosts in HOSTS:
        split = [step.split_speedup(hosts, gigabits) for gigabits in GIGABITS]
        grown = [step.speedup(hosts, gigabits) for gigabits in GIGABITS]
        lines.append(
            f"  {hosts:2} hosts share the rows of a batch: {_listed(split)}; "
            f"with a batch for each of them: {_listed(grown)}"
        )
    return lines


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)
