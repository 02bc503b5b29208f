"""What a folder of shards holds: its `shards.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from keras_attention import stored
from keras_attention.stored.bounds import Count, Matches, Name, Within

FILE = "shards.json"
_Digest = Annotated[str, Matches(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal digits")]


@dataclass(frozen=True)
class Shard:
    """A file of pairs.

    Attributes:
        pairs: The number of pairs.
        sha256: The hash of the file.
    """

    pairs: Count
    sha256: _Digest


@dataclass(frozen=True)
class Cleaning:
    """Which training pairs to leave out; held-out pairs stay as they are.

    Attributes:
        repeated: Whether to leave out a pair that equals an earlier one in both texts.
        equal: Whether to leave out a pair whose sides are equal.
        ratio: The longer side may have at most this many times the tokens of the other; None for
            any number.
    """

    repeated: bool = False
    equal: bool = False
    ratio: Annotated[float, Within(1.0, 1e6)] | None = None


@dataclass(frozen=True)
class Settings:
    """What decides on the content of the shards.

    Attributes:
        data: The text that they were made of, the limits and the seed.
        text: The tokenizers.
        cleaning: Which training pairs were left out.
        shard_pairs: The number of pairs in a shard, about.
        sample: The maximum number of pairs that tokenizers are trained on.
    """

    data: stored.CorpusData
    text: stored.Tokenizers
    cleaning: Cleaning
    shard_pairs: Count
    sample: Count


@dataclass(frozen=True)
class Manifest:
    """The content of `shards.json`.

    Attributes:
        settings: What decides on the content.
        lines: The number of lines that were read.
        dropped: How many problems of each kind their pairs had.
        shards: The files, in the order of their numbers.
    """

    settings: Settings
    lines: Count
    dropped: Mapping[Name, Count]
    shards: Annotated[Sequence[Shard], Within(1, 10**5)]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            FileNotFoundError: If there is none.
            StoredError: If it is not what `training.prepare` wrote.
        """
        return stored.read_stored(folder / FILE, cls)

    @property
    def pairs(self) -> int:
        """The number of training pairs."""
        return sum(shard.pairs for shard in self.shards)


def differences(made: Any, asked: Any, but: Sequence[str] = ()) -> str:
    """Say how settings that are asked for differ from those that something was made with.

    Args:
        made: What it was made with, a dataclass.
        asked: What is asked for, a dataclass with the same fields.
        but: The fields that may differ.
    """
    there, here = (_plain(asdict(settings)) for settings in (made, asked))
    return ", ".join(
        f"{key} is {there.get(key)!r} there, {here.get(key)!r} requested"
        for key in {**there, **here}
        if there.get(key) != here.get(key) and key.split(".")[0] not in but
    )


def _plain(tree: Any, path: str = "") -> dict[str, Any]:
    """Return the values of a nest by their path; lists instead of tuples."""
    if not isinstance(tree, Mapping):
        return {path: list(tree) if isinstance(tree, tuple) else tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found.update(_plain(value, f"{path}.{key}" if path else key))
    return found
