"""The load test of the guarded server, with abusive requests and without: `benchmarks.serving`."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.abuse import compare, report
from benchmarks.campaigns.journal import Job, Trial
from benchmarks.environments import SERVER
from export.verify.inputs import read_config, read_examples

_CLIENTS, _SECONDS, _SHARE = 32, 600.0, 0.01


def trials(job: Job) -> Iterator[Trial]:
    """Yield one trial: both servers in turns, ten minutes each."""
    yield Trial("load", lambda: _load(job))


def _load(job: Job) -> list[str]:
    SERVER.install()
    texts = [example["source"] for example in read_examples(job.out / "examples.json")]
    model = read_config(job.out)["name"]
    sides = compare(job.out, model, texts, _CLIENTS, _SECONDS * job.scale, _SHARE)
    return [] if report(sides) else ["a limit was exceeded, see above"]
