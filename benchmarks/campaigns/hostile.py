"""Texts that nobody types, and damaged files, all drawn by a seed."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.hard_text import HARD_TEXT

_LETTERS = (
    "abc xyz",
    "0123456789-/.",
    "\x00\x01\x07\x1b\x1f\x7f\x80\x85\x9f",
    "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\t ",
    "\u0300\u0301\u0323\u0335\u20dd",
    "\u200b\u200c\u200d\u200e\u202a\u202e\u2066\u2069\ufeff\u00ad",
    "\u2581\u2585\u2047",
    "👩‍👩‍👧‍👦🇩🇪👍🏽",
    "שלוםمرحبا漢字ｶﾞ한국",
    "\U0010ffff\ufffe\uffff\ufffd\U000e0067",
    "ﷺﬁ㍿½①İıς𝔘𐤀",
)
_WORDS = ("<s>", "</s>", "<unk>", "<0x0A>", "▁▁", "3 May 1979", "{0}", "$(id)", "%s%n", "nan")
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**12, 10**30, float("nan"), float("inf"), "", "x", "x" * 10**5),
    *([], {}, [1, "a"], {"a": {"b": 1}}, "../../etc/passwd", "\x1b[31m\x00", "<b>&</b>"),
)


def text(chance: random.Random, longest: int = 40) -> str:
    """Draw a text, without a line feed."""
    kind = chance.random()
    if kind < 0.15:
        return chance.choice(list(HARD_TEXT.values()))[:longest].replace("\n", " ")
    parts: list[str] = []
    while sum(map(len, parts)) < chance.randint(0, longest):
        if kind < 0.3:
            parts.append(
                chr(
                    chance.choice(
                        (chance.randrange(32, 0xD800), chance.randrange(0xE000, 0x110000))
                    )
                )
            )
        elif chance.random() < 0.25:
            parts.append(chance.choice(_WORDS))
        else:
            letters = chance.choice(_LETTERS)
            parts.append("".join(chance.choices(letters, k=chance.randint(1, 6))))
    return "".join(parts)[:longest]


def line(chance: random.Random) -> bytes:
    """Draw a line of a file, which may not be UTF-8."""
    content = bytearray(text(chance).encode())
    if chance.random() < 0.2:
        content.insert(chance.randint(0, len(content)), chance.choice((0xFF, 0xC0, 0xED, 0x80)))
    return bytes(content)


class Canary:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return open, (str(self._path), "w")


def damage(path: Path, chance: random.Random, canary: Path) -> str:
    """Damage a file, and return how.

    Args:
        path: The file.
        chance: What draws.
        canary: A file that appears if something of the content is run.
    """
    content = path.read_bytes()
    ways = dict(_ways(path, content, chance, canary))
    name = chance.choice(list(ways))
    made = ways[name]()
    path.unlink()
    if made is None:
        path.mkdir()
    else:
        path.write_bytes(made)
    return name


def _ways(
    path: Path, content: bytes, chance: random.Random, canary: Path
) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
    yield "empty", lambda: b""
    yield "a folder", lambda: None
    yield "cut", lambda: content[: chance.randrange(len(content))]
    yield "a byte less", lambda: content[:-1]
    yield "doubled", lambda: content * 2
    yield "random", lambda: chance.randbytes(chance.randint(1, 5000))
    yield "bits flipped", lambda: _flipped(content, chance)
    yield "a pickle", lambda: pickle.dumps(Canary(canary))
    yield "an empty archive", lambda: b"PK\x05\x06" + bytes(18)
    if path.suffix in (".json", ".yaml"):
        is_json = path.suffix == ".json"
        yield "deep", lambda: b"[" * 10**5
        yield "aliases", lambda: _many_aliases()
        for i in range(6):  # the most frequent ways
            yield f"another value {i}", lambda: _edited(content, chance, is_json)
    if zipfile.is_zipfile(path):
        for i in range(6):
            yield f"archive edited {i}", lambda: _rezipped(content, chance)


def _flipped(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(20):
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def _many_aliases() -> bytes:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join(rows).encode()


def _edited(content: bytes, chance: random.Random, is_json: bool) -> bytes:
    """Return YAML or JSON with a value replaced, a key removed or a key added."""
    tree = json.loads(content) if is_json else yaml.safe_load(content)
    _edit(tree, chance)
    return (json.dumps(tree) if is_json else yaml.safe_dump(tree)).encode()


def _edit(tree: Any, chance: random.Random) -> None:
    places = [(node, key) for node in _nodes(tree) for key in _keys(node)]
    if not places:
        return
    node, key = chance.choice(places)
    kind = chance.random()
    if kind < 0.7:
        node[key] = copy.deepcopy(chance.choice(_VALUES))
    elif kind < 0.85 or isinstance(node, list):
        del node[key]
    else:
        node[chance.choice(("", "extra", "__class__", "\x1b[2J"))] = node[key]


def _nodes(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict | list):
        yield tree
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(value)


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def _rezipped(content: bytes, chance: random.Random) -> bytes:
    """Return an archive with one of its members damaged, edited, left out or added."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        chosen, kind = chance.choice(old.namelist()), chance.randrange(4)
        for name in old.namelist():
            inside = old.read(name)
            if name == chosen and kind == 0:
                continue
            if name == chosen and name.endswith(".json"):
                inside = _edited(inside, chance, is_json=True)
            elif name == chosen:
                inside = _flipped(inside, chance)
            new.writestr(name, inside)
        if kind == 1:
            new.writestr(chance.choice(("../outside", "/tmp/outside", "extra.json")), b"{}")
    return made.getvalue()
