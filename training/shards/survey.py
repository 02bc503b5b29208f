"""The first look at a text: which lines are pairs, are held out, and teach the tokenizers."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from keras_attention.files import write
from training.corpora.pairs import CorpusFiles, Pair, entries
from training.corpora.report import Tally
from training.corpora.splits import parts_of_keys, source_key

_ROOM = 1000  # for further keys, before the larger ones are left out

Sampled = tuple[int, int, int, str, str]
"""The hash of a pair, the numbers of its file and its line, source and target."""


@dataclass(frozen=True)
class SurveyTask:
    """A part of a corpus to look at.

    Attributes:
        number: The number of the part.
        files: Its file, or the two of them.
        seed: The seed for the sample and for what is held out.
        sample: The maximum number of pairs in the sample.
        keys: The number of keys of sources to keep, from which those to hold out are chosen; 0 for
            a part of `data.extra`.
        out: The file for the result.
    """

    number: int
    files: CorpusFiles
    seed: int
    sample: int
    keys: int
    out: Path


@dataclass
class Survey:
    """What was found in a part, or in several.

    Attributes:
        lines: The number of lines.
        pairs: The number of pairs.
        tally: The problems of the other lines.
        sample: The pairs with the smallest hashes, so many as were asked for.
        keys: The smallest keys of sources, in hexadecimal digits, and how many pairs have each.
    """

    lines: int = 0
    pairs: int = 0
    tally: Tally = field(default_factory=Tally)
    sample: list[Sampled] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Survey:
        """Read the result of a task."""
        tree = json.loads(file.read_text(encoding="utf-8"))
        sample = [tuple(sampled) for sampled in tree["sample"]]
        return cls(**tree | {"sample": sample, "tally": Tally.of(tree["tally"])})

    def update(self, other: Survey, sample: int, keys: int) -> None:
        """Add what was found in another part."""
        self.lines += other.lines
        self.pairs += other.pairs
        self.tally.update(other.tally)
        self.sample = heapq.nsmallest(sample, [*self.sample, *other.sample])
        self.keys = _smallest(Counter(self.keys) + Counter(other.keys), keys)

    def sampled(self, seed: int, held_out: Container[bytes]) -> list[Pair]:
        """Return the pairs of the sample in the order of the text, without those held out."""
        ordered = sorted(self.sample, key=lambda sampled: sampled[1:3])
        pairs = [(source, target) for *_, source, target in ordered]
        return [pair for pair in pairs if source_key(pair[0], seed) not in held_out]

    def split(self, dev: int, test: int) -> dict[bytes, int]:
        """Return the keys of sources to hold out; see `training.corpora.splits`."""
        sizes = {bytes.fromhex(key): count for key, count in self.keys.items()}
        return parts_of_keys(sizes, dev, test, self.pairs)


def survey(task: SurveyTask) -> None:
    """Look at a part, and write what was found."""
    found, sizes = Survey(), Counter[str]()
    heap: list[Any] = []  # of the smallest hashes, negative, so that the largest comes out first
    for line, pair, problems in entries(task.files):
        found.lines += 1
        if pair is None:
            found.tally.add(problems)
            continue
        found.pairs += 1
        if task.keys:
            sizes[source_key(pair[0], task.seed).hex()] += 1
            if len(sizes) > 2 * task.keys + _ROOM:
                sizes = Counter(_smallest(sizes, task.keys))
        drawn = (-hashed(task.seed, task.number, line), -line, *pair)
        (heapq.heappush if len(heap) < task.sample else heapq.heappushpop)(heap, drawn)
    found.keys = _smallest(sizes, task.keys)
    found.sample = sorted((-key, task.number, -line, *pair) for key, line, *pair in heap)
    write(task.out, json.dumps(asdict(found), ensure_ascii=False))


def hashed(seed: int, number: int, line: int) -> int:
    """Return a hash of the place of a pair, which is drawn evenly from 64 bits."""
    place = f"{seed}:{number}:{line}".encode()
    return int.from_bytes(blake2b(place, digest_size=8).digest())


def _smallest(sizes: Counter[str], count: int) -> dict[str, int]:
    """Keep the smallest keys; one that is left out can never be needed again."""
    return {key: sizes[key] for key in heapq.nsmallest(count, sizes)}
