"""BLEU of what is deployed, on sentences that no training saw."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.environments import Peer
from benchmarks.run import command, environment
from benchmarks.worker import Sentences
from benchmarks.workloads import SEARCHES, Case, Task
from keras_attention import RunDirectory
from training.evaluation.bootstrap import Interval, resample
from training.evaluation.metrics import Bleu, bleu, columns
from training.evaluation.translation import references_by_source

_BATCH, _RESAMPLES = 32, 1000


def score(run: RunDirectory, peers: Mapping[str, Peer]) -> list[str]:
    """Translate the held-out sources with all sides, and return a table of BLEU.

    Args:
        run: Our run, with the held-out pairs and the tokenizers of all sides.
        peers: The sides by their names.
    """
    targets = references_by_source(run.held_out())
    source, target = run.tokenizers()
    sources = source.encode(list(targets))
    outputs = {
        (name, search): target.decode(translations(peer, search, sources))
        for search in SEARCHES
        for name, peer in peers.items()
    }
    return table(outputs, list(targets.values()))


def translations(peer: Peer, search: Task, sources: Sentences) -> Sentences:
    """Return what a side makes of sources, as ids."""
    done = subprocess.run(
        command(peer, Case("W1", search, batch=_BATCH, threads=1), "--translate"),
        input=json.dumps(sources),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(),
    )
    found: Sentences = json.loads(done.stdout)
    return found


def table(
    outputs: Mapping[tuple[str, Task], Sequence[str]], references: Sequence[Sequence[str]]
) -> list[str]:
    """Return a table of lower-cased BLEU with 95 % intervals, and of the distances to the first.

    Args:
        outputs: The translations by side and search.
        references: The references of each source.
    """
    metric = Bleu(lowercase=True)
    counts = np.stack([metric.counts(texts, references) for texts in outputs.values()])
    values = metric.of(counts.sum(axis=1))
    resampled = resample(metric, counts, _RESAMPLES, np.random.default_rng(1))
    names = list(outputs)
    lines = ["| side | search | BLEU | ours in float32 is better by |", "|---|---|---|---|"]
    for place, (name, search) in enumerate(names):
        first = next(i for i, (_, other) in enumerate(names) if other == search)
        gain = Interval.of(values[first] - values[place], resampled[:, first] - resampled[:, place])
        whole = Interval.of(values[place], resampled[:, place])
        lines.append(f"| {name} | {search} | {whole} | {'' if first == place else gain} |")
    some = next(iter(outputs.values()))
    signature = bleu(some, *columns(references), lowercase=True).signature
    return [*lines, "", f"BLEU {signature}; 95 % intervals of {_RESAMPLES:,} paired resamples."]
