"""A folder of shards, as a training reads it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from keras_attention.text.tokenizer import SentencePieceTokenizer
from training.corpora.files import found_files
from training.corpora.pairs import Pair
from training.program import CorpusError
from training.shards.manifest import FILE, Manifest
from training.shards.parts import EncodedPairs, Lengths, Tokenizers
from training.shards.rows import Rows

SIDES = ("source", "target")
MODELS = ("source.model", "target.model")
DEV, HELD_OUT, DROPPED = "dev.jsonl", "held_out.jsonl", "dropped.txt"


def shard_name(number: int) -> str:
    """Return the name of the file of a shard."""
    return f"train-{number:05d}.parquet"


@dataclass(frozen=True, eq=False)
class StoredPairs:
    """A shard: pairs that lie in a file; see `training.shards.parts.Part`.

    Attributes:
        path: The file: `source` and `target` are lists of ids, `source_length` and `target_length`
            their lengths, including the end token.
        count: The number of pairs that it must have.
    """

    path: Path
    count: int

    def lengths(self) -> list[Lengths]:
        """Read the lengths of all pairs, and nothing else."""
        table = self._read([f"{side}_length" for side in SIDES])
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def pairs(self) -> EncodedPairs:
        """Read the pairs."""
        return EncodedPairs(*map(_rows, self._read(list(SIDES)).columns))

    def _read(self, columns: list[str]) -> pa.Table:
        try:
            table = pq.read_table(self.path, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise CorpusError(f"The shard {self.path} cannot be read: {error}") from error
        if table.num_rows != self.count:
            raise CorpusError(
                f"The shard {self.path} must have {self.count:,} pairs, as {FILE} says. "
                f"Received: {table.num_rows:,}"
            )
        return table


def _rows(column: pa.ChunkedArray) -> Rows:
    """Return lists of ids as rows."""
    lists = column.combine_chunks()
    begins = lists.offsets.to_numpy().astype("int64")
    ids = lists.values.to_numpy()
    return Rows(ids[begins[0] : begins[-1]], begins - begins[0])


class ShardFolder:
    """The shards that `training.prepare` has made, with tokenizers and the pairs held out.

    Args:
        name: The folder, which is looked up as corpora are.

    Raises:
        CorpusError: If there is no such folder, or it is not what `training.prepare` wrote.
    """

    def __init__(self, name: str) -> None:
        (file,) = found_files("shards", [f"{name.rstrip('/')}/{FILE}"])
        self.path = Path(file).parent
        try:
            self.manifest = Manifest.read(self.path)
        except ValueError as error:
            raise CorpusError(str(error)) from error

    @cached_property
    def shards(self) -> list[StoredPairs]:
        """The shards."""
        return [
            StoredPairs(self.path / shard_name(number), shard.pairs)
            for number, shard in enumerate(self.manifest.shards)
        ]

    @cached_property
    def tokenizers(self) -> Tokenizers:
        """The tokenizers that the ids are of."""
        source, target = (SentencePieceTokenizer.from_file(self.path / name) for name in MODELS)
        return source, target

    def dev(self) -> list[Pair]:
        """Read the pairs held out for validation."""
        return list(_pairs(self.path / DEV))

    def held_out(self) -> list[Pair]:
        """Read the pairs held out for the final test."""
        return list(_pairs(self.path / HELD_OUT))


class ShardPasses:
    """Passes over shards, each in another order.

    Args:
        folder: The shards.
        seed: The seed for their order.
    """

    def __init__(self, folder: ShardFolder, seed: int) -> None:
        self._folder = folder
        self._seed = seed

    def parts(self, number: int) -> list[StoredPairs]:
        """Return the shards in the order of a pass."""
        shards = list(self._folder.shards)
        random.Random(f"{self._seed}:{number}").shuffle(shards)
        return shards


def _pairs(file: Path) -> Iterator[Pair]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            source, target = json.loads(line)
            yield source, target
