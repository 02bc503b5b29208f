"""Hold pairs out of training, with no source sentence in two parts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from keras_attention.checks import check_not_negative
from training.corpora.pairs import Pair
from training.program import CorpusError

TRAIN, DEV, TEST = 0, 1, 2  # places in a split


class Split(NamedTuple):
    """Pairs for training, validation and testing."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]


def split_held_out(pairs: Sequence[Pair], dev: int, test: int, seed: int) -> Split:
    """Hold out pairs for validation and test, with no source sentence in two parts.

    Sources that differ only in case, white space or compatibility characters (NFKC) count as one.
    Sources are sorted by a hash that is keyed with the seed; the first ones go to the test set
    until it is large enough, the next to the dev set. The split therefore depends neither on the
    order of the pairs nor on the process.

    ```python
    >>> pairs = [("Hi!", "¡Hola!"), ("hi!", "¡Buenas!"), ("Run!", "¡Corre!"), ("Who?", "¿Quién?")]
    >>> train, dev, test = split_held_out(pairs, dev=1, test=1, seed=0)
    >>> train
    [('Hi!', '¡Hola!'), ('hi!', '¡Buenas!')]
    >>> dev, test
    ([('Run!', '¡Corre!')], [('Who?', '¿Quién?')])

    ```

    Args:
        pairs: Source and target texts.
        dev: The minimum number of dev pairs; there are more if the last source has several.
        test: The minimum number of test pairs.
        seed: The key of the hash.

    Returns:
        `(train, dev, test)`, each in the order of `pairs`.

    Raises:
        CorpusError: If there are too few sources for all parts, including one pair for training.
        ValueError: If `dev` or `test` is negative.
    """
    check_not_negative("dev", dev)
    check_not_negative("test", test)
    keys = [source_key(source, seed) for source, _ in pairs]
    part = parts_of_keys(Counter(keys), dev, test, len(keys))
    split = Split([], [], [])
    for key, pair in zip(keys, pairs, strict=True):
        split[part.get(key, TRAIN)].append(pair)
    return split


def parts_of_keys(sizes: Mapping[bytes, int], dev: int, test: int, pairs: int) -> dict[bytes, int]:
    """Choose the keys of sources to hold out: the smallest ones.

    Args:
        sizes: How many pairs have which key; all keys, or at least `dev + test + 1` of the smallest
            ones.
        dev: The minimum number of dev pairs.
        test: The minimum number of test pairs.
        pairs: The number of all pairs, for the error message.

    Returns:
        `DEV` or `TEST` for the keys of the sources to hold out.

    Raises:
        CorpusError: If there are too few.
    """
    order = iter(sorted(sizes))
    part: dict[bytes, int] = {}
    for index, least in ((TEST, test), (DEV, dev), (TRAIN, 1)):
        size = 0
        while size < least:
            key = next(order, None)
            if key is None:
                raise CorpusError(
                    f"The corpus is too small to hold out {dev} pairs for validation "
                    f"(data.dev_pairs) and {test} for testing (data.held_out_pairs), each with all "
                    f"pairs of its source. Received: {pairs} pairs with {len(sizes)} distinct "
                    "sources"
                )
            part[key] = index
            size += sizes[key]
    return {key: index for key, index in part.items() if index != TRAIN}


def source_keys(pairs: Iterable[Pair], seed: int) -> set[bytes]:
    """Return the keys of the sources of pairs."""
    return {source_key(source, seed) for source, _ in pairs}


def source_key(source: str, seed: int) -> bytes:
    """Return a hash of a source, keyed with the seed, in which no spelling matters."""
    text = unicodedata.normalize("NFKC", source).casefold()
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    return hashlib.blake2b(text.encode(), digest_size=16, key=str(seed).encode()).digest()
