"""Collect the pairs of one shard from all parts of a corpus, in the order of the text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from keras_attention.files import replacing, write
from training.corpora.report import Problem, Tally
from training.shards.folder import SIDES
from training.shards.manifest import Shard
from training.shards.scatter import SCHEMA, listing


@dataclass(frozen=True)
class GatherTask:
    """A shard to write.

    Attributes:
        number: The number of the shard.
        shards: The number of shards.
        parts: The files of pieces, in the order of the text.
        names: The source file of each of them.
        drops_repeated: Whether to leave out a pair that equals an earlier one.
        out: The file of the shard.
        result: The file for what was found; beside it, `.txt` gets the pairs that were left out.
    """

    number: int
    shards: int
    parts: Sequence[Path]
    names: Sequence[str]
    drops_repeated: bool
    out: Path
    result: Path


@dataclass(frozen=True)
class Gathered:
    """A shard that was written.

    Attributes:
        shard: Its entry in the manifest.
        tally: The pairs that were left out.
    """

    shard: Shard
    tally: Tally

    @classmethod
    def read(cls, file: Path) -> Gathered:
        """Read the result of a task."""
        tree = json.loads(file.read_text(encoding="utf-8"))
        return cls(Shard(**tree["shard"]), Tally.of(tree["tally"]))


def gather(task: GatherTask) -> None:
    """Write a shard; the result, written last, says that it is done."""
    tables = [pa.Table.from_batches(_pieces(part, task), SCHEMA) for part in task.parts]
    tally, problems = Tally(), list[Problem]()
    table = pa.concat_tables(tables)
    if task.drops_repeated:
        kept = _first_ones(table)
        others = np.setdiff1d(np.arange(table.num_rows), kept)
        problems = list(_repeated(task, tables, others))
        table = table.take(pa.array(kept))
        tally.add(problems)
    lengths = {f"{side}_length": pc.add(pc.list_value_length(table[side]), 1) for side in SIDES}
    stored = pa.table({**{side: table[side] for side in SIDES}, **lengths})
    with replacing(task.out) as fresh:
        pq.write_table(stored, fresh, compression="zstd", use_dictionary=False)
    with task.out.open("rb") as file:
        shard = Shard(stored.num_rows, file_digest(file, "sha256").hexdigest())
    write(task.result.with_suffix(".txt"), "".join(f"{line}\n" for line in listing(problems)))
    write(task.result, json.dumps(asdict(Gathered(shard, tally)), ensure_ascii=False))


def _pieces(part: Path, task: GatherTask) -> Iterator[pa.RecordBatch]:
    """Read the pieces of this shard in a part; in turns, each shard has one."""
    with pa.OSFile(str(part), "rb") as file, pa.ipc.open_file(file) as pieces:
        for number in range(task.number, pieces.num_record_batches, task.shards):
            yield pieces.get_batch(number)


def _first_ones(table: pa.Table) -> np.ndarray:
    """Return the places of pairs that equal no earlier one."""
    hashes = table["hash"].combine_chunks().cast(pa.binary()).to_numpy(zero_copy_only=False)
    _, first = np.unique(hashes, return_index=True)
    return np.sort(first)


def _repeated(
    task: GatherTask, tables: Sequence[pa.Table], others: np.ndarray
) -> Iterator[Problem]:
    ends = np.cumsum([table.num_rows for table in tables])
    lines = np.concatenate([table["line"].to_numpy() for table in tables])
    for place in others.tolist():
        part = int(np.searchsorted(ends, place, side="right"))
        yield Problem("repeated", task.names[part], int(lines[place]), "repeated")
