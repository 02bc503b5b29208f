"""Encode a part of a corpus, and write each pair to its shard's place in one file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from keras_attention.files import replacing, write
from training.corpora.pairs import CorpusFiles, Entry, Pair, entries
from training.corpora.report import KINDS, Problem, Tally
from training.corpora.splits import DEV, TEST, TRAIN, source_key
from training.shards.folder import SIDES
from training.shards.manifest import Cleaning
from training.shards.parts import EncodedPairs, Lengths, Tokenizers
from training.shards.survey import hashed

AT_ONCE = 20_000  # lines, of which each shard gets its own in one piece
_IDS = pa.list_(pa.int32())
SCHEMA = pa.schema({"source": _IDS, "target": _IDS, "line": pa.int64(), "hash": pa.binary(16)})
"""A piece: ids, and where the pair stands; the hash of its texts tells repeated ones."""


@dataclass(frozen=True)
class ScatterPlan:
    """How a corpus is encoded.

    Attributes:
        seed: The seed for the shard of a pair, and for what is held out.
        shards: The number of shards.
        limits: The maximum numbers of source and target tokens, including the end token.
        cleaning: Which training pairs to leave out.
        held_out: `DEV` or `TEST` for the keys of sources to hold out.
        barred: The keys of all sources that are held out, which `data.extra` may not have.
        tokenizers: A function that returns the tokenizers; processes call it themselves.
    """

    seed: int
    shards: int
    limits: Lengths
    cleaning: Cleaning
    held_out: dict[bytes, int]
    barred: set[bytes]
    tokenizers: Callable[[], Tokenizers]


@dataclass(frozen=True)
class ScatterTask:
    """A part of a corpus to encode.

    Attributes:
        number: The number of the part.
        files: Its file, or the two of them.
        is_extra: Whether it is a part of `data.extra`, of which nothing is held out.
        plan: How it is encoded.
        out: The file for the pieces; beside it, `.json` gets what else was found, and `.txt` the
            pairs that were left out.
    """

    number: int
    files: CorpusFiles
    is_extra: bool
    plan: ScatterPlan
    out: Path

    def part(self, pair: Pair) -> int:
        """Return whether a pair is held out: `TRAIN`, `DEV` or `TEST`."""
        held_out = {} if self.is_extra else self.plan.held_out
        return held_out.get(source_key(pair[0], self.plan.seed), TRAIN) if held_out else TRAIN

    def shard(self, line: int, pair: Pair) -> int:
        """Return the shard of a pair; equal ones meet there if all but one are left out."""
        if self.plan.cleaning.repeated:
            return int.from_bytes(pair_hash(pair)[:8]) % self.plan.shards
        return hashed(self.plan.seed, self.number, line) % self.plan.shards

    def misfits(self, line: int, lengths: Lengths) -> Iterator[Problem]:
        """Yield the sides of a pair that do not fit the model."""
        sides = zip(SIDES, self.files.sides, lengths, self.plan.limits, strict=True)
        for side, file, length, limit in sides:
            if not 1 < length <= limit:
                yield Problem("length", file, line, f"{side}, {length - 1} tokens")

    def unclean(self, line: int, pair: Pair, lengths: Lengths) -> Iterator[Problem]:
        """Yield why a training pair is to be left out."""
        cleaning, file = self.plan.cleaning, self.files.sides[0]
        if self.is_extra and source_key(pair[0], self.plan.seed) in self.plan.barred:
            yield Problem("held_out", file, line, "source")
        if cleaning.equal and pair[0] == pair[1]:
            yield Problem("equal", file, line, "equal")
        source, target = (length - 1 for length in lengths)
        if cleaning.ratio is not None and max(source, target) > cleaning.ratio * min(
            source, target
        ):
            yield Problem("ratio", file, line, f"{source} and {target} tokens")


@dataclass
class Scattered:
    """What was found in a part.

    Attributes:
        tally: The problems of its lines.
        dev: The pairs held out for validation.
        test: The pairs held out for the final test.
    """

    tally: Tally = field(default_factory=Tally)
    dev: list[Pair] = field(default_factory=list)
    test: list[Pair] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Scattered:
        """Read the result of a task."""
        tree = json.loads(file.read_text(encoding="utf-8"))
        dev, test = ([(source, target) for source, target in tree[k]] for k in ("dev", "test"))
        return cls(Tally.of(tree["tally"]), dev, test)


def scatter(task: ScatterTask) -> None:
    """Encode a part; the `.json`, written last, says that it is done."""
    found, tokenizers = Scattered(), task.plan.tokenizers()
    with (
        replacing(task.out) as fresh,
        replacing(task.out.with_suffix(".txt")) as listed,
        pa.OSFile(str(fresh), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as pieces,
        listed.open("w", encoding="utf-8") as dropped,
    ):
        for some in _in_parts(entries(task.files)):
            problems: list[Problem] = []
            for piece in _pieces(task, some, tokenizers, found, problems):
                pieces.write_batch(piece)
            found.tally.add(problems)
            dropped.writelines(f"{line}\n" for line in listing(problems))
    write(task.out.with_suffix(".json"), json.dumps(asdict(found), ensure_ascii=False))


def listing(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield what is written about problems, as in a run."""
    return (f"{problem}: {KINDS[problem.kind]}" for problem in problems)


def _pieces(
    task: ScatterTask,
    some: Sequence[Entry],
    tokenizers: Tokenizers,
    found: Scattered,
    problems: list[Problem],
) -> Iterator[pa.RecordBatch]:
    """Yield the pairs of each shard, of some lines, and note the others."""
    usable = [(entry.line, entry.pair) for entry in some if entry.pair is not None]
    encoded = EncodedPairs.of([pair for _, pair in usable], tokenizers)
    wrong = {entry.line: list(entry.problems) for entry in some}
    drawn: list[list[int]] = [[] for _ in range(task.plan.shards)]
    own = {DEV: found.dev, TEST: found.test}
    for i, ((line, pair), lengths) in enumerate(zip(usable, encoded.lengths(), strict=True)):
        part = task.part(pair)
        wrong[line] += task.misfits(line, lengths)
        if part == TRAIN and not wrong[line]:
            wrong[line] += task.unclean(line, pair, lengths)
        if not wrong[line]:
            if part == TRAIN:
                drawn[task.shard(line, pair)].append(i)
            else:
                own[part].append(pair)
    problems += itertools.chain.from_iterable(wrong.values())
    for chosen in drawn:
        yield _piece(encoded, chosen, usable)


def _piece(
    encoded: EncodedPairs, chosen: Sequence[int], usable: Sequence[tuple[int, Pair]]
) -> pa.RecordBatch:
    columns = [
        pa.ListArray.from_arrays(pa.array(rows.begins, pa.int32()), pa.array(rows.ids))
        for rows in (side.only(chosen) for side in (encoded.source, encoded.target))
    ]
    lines = pa.array([usable[i][0] for i in chosen], pa.int64())
    hashes = pa.array([pair_hash(usable[i][1]) for i in chosen], pa.binary(16))
    return pa.record_batch([*columns, lines, hashes], schema=SCHEMA)


def pair_hash(pair: Pair) -> bytes:
    """Return a hash of both texts."""
    return blake2b("\n".join(pair).encode(), digest_size=16).digest()


def _in_parts(lines: Iterable[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(lines)
    while part := list(itertools.islice(remaining, AT_ONCE)):
        yield part
