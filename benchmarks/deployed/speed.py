"""Time searches of a fixed length, by all sides in turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles

from benchmarks.deployed.sides import ONNX, TFLITE, exported_endless, read_each_step, sides
from benchmarks.environments import PEERS, Peer
from benchmarks.run import Timing, measure
from benchmarks.workloads import (
    CONVERTED,
    DECODER,
    EMBEDDING,
    ENCODER,
    FEED_FORWARD,
    LAYERS,
    READ,
    SEARCHES,
    WIDTH,
    Case,
)
from export.files import size
from keras_attention import RunDirectory

MEMORY, JOEYNMT, CTRANSLATE2 = "memory", "JoeyNMT float32", "CTranslate2"
_TURN = 0.5  # seconds: short, as caches may be shared with the work of other machines
SOURCE, BATCHES, THREADS = 18, (1, 32), (1, 2)
HEAD = [
    "| case | side | ms a token | middle half | CTranslate2 takes | load ms | peak MB "
    "| of memory's pace |",
    "|---|---|---|---|---|---|---|---|",
]


def compare(
    run: RunDirectory, work: Path, theirs: Mapping[str, Peer], turns: int, only: str
) -> None:
    """Measure all cases, and print tables.

    Args:
        run: Our run.
        work: The folder for exports that never end.
        theirs: The sides of CTranslate2.
        turns: The number of turns of each side.
        only: Words that the names of the cases must contain.
    """
    PEERS["joeynmt"].install()
    peers = {**sides(exported_endless(run, work)), **theirs}
    model, steps = run.model(), run.config()["data"]["max_target_length"]
    vocabulary = model.config.target_vocabulary
    ours = dict.fromkeys((f"{ONNX} float32", f"{TFLITE} float32"), read_each_step(model))
    read = ours | read_by_peers(vocabulary)
    print("\n".join(sizes(peers)) + "\n")
    print("\n".join(HEAD), flush=True)
    versions: dict[str, None] = {}
    for case in cases(vocabulary, steps):
        if all(word in name(case).split() for word in only.split()):
            timings = time_sides(case, peers, turns)
            versions |= dict.fromkeys(timing.versions for timing in timings.values())
            print("\n".join(rows(case, timings, read)), flush=True)
    print("\n" + "\n".join(f"- {version}" for version in versions) + "\n")


def cases(vocabulary: int, steps: int) -> Iterator[Case]:
    """Yield all cases.

    Args:
        vocabulary: The number of tokens on each side.
        steps: The number of target tokens of each source.
    """
    for search in SEARCHES:
        for batch in BATCHES:
            for threads in THREADS:
                yield Case(
                    "W1",
                    search,
                    length=SOURCE,
                    batch=batch,
                    vocabulary=vocabulary,
                    threads=threads,
                    steps=steps,
                )


def name(case: Case) -> str:
    """Return the name of a case in the table."""
    return f"{case.task} B={case.batch} threads={case.threads}"


def time_sides(case: Case, peers: Mapping[str, Peer], turns: int) -> dict[str, Timing]:
    """Run a case on all sides in turns, and, for a single sentence, the memory as a further side.

    Args:
        case: The case.
        peers: The sides by their names, but for JoeyNMT and the memory.
        turns: The number of turns of each side.
    """
    chosen = {**peers, JOEYNMT: PEERS["joeynmt"], MEMORY: Peer("memory_pace")}
    if case.batch > 1:  # a TFLite file takes one sentence
        chosen = {
            side: peer for side, peer in chosen.items() if not side.startswith((TFLITE, MEMORY))
        }
    return measure(case, chosen, turns, _TURN, least=1)


def rows(case: Case, timings: Mapping[str, Timing], read: Mapping[str, int]) -> list[str]:
    """Return the table rows of a case.

    Args:
        case: The case.
        timings: The measurements by side.
        read: The bytes of the weights in float32 that a step of a side reads.
    """
    lines = []
    for side, timing in timings.items():
        if side == MEMORY:
            continue
        low, middle, high = (1e3 * x / case.tokens for x in quantiles(timing.runs, n=4))
        peer = rival(side, timings)
        ratio = "" if peer is None else f"{_ratio(timings[peer].turns, timing.turns):.2f}x"
        lines.append(
            f"| {name(case)} | {side} | {middle:.3f} | {low:.3f} to {high:.3f} | {ratio} "
            f"| {1e3 * timing.load:.0f} | {timing.peak:.0f} | {_share(case, side, timings, read)} |"
        )
    if MEMORY in timings:
        pace = READ / median(timings[MEMORY].turns) / 1e9
        lines.append(f"| {name(case)} | {MEMORY} reads {pace:.1f} GB/s | | | | | | |")
    return lines


def rival(side: str, timings: Mapping[str, Timing]) -> str | None:
    """Return CTranslate2's side of the same precision, or in float32; None for its own sides."""
    if side.startswith(CTRANSLATE2):
        return None
    precision = side.split()[-1]
    found = f"{CTRANSLATE2} {precision if precision in CONVERTED else CONVERTED[0]}"
    return found if found in timings else None


def sizes(peers: Mapping[str, Peer]) -> list[str]:
    """Return a table of the sizes of the files, those of a greedy search where they differ."""
    lines = ["| side | file MB |", "|---|---|"]
    for side, peer in peers.items():
        (place,) = peer.options
        lines.append(f"| {side} | {size(Path(place.format('greedy'))) / 1e6:.1f} |")
    return lines


def read_by_peers(vocabulary: int) -> dict[str, int]:
    """Return the bytes of the weights that a step of the peers reads, in float32.

    The Transformer has six square matrices in a layer's attentions (keys and values of the source
    are computed once), two for the feed-forward layer, and the output layer; JoeyNMT an LSTM,
    query, attention layer and output layer.
    """
    transformer = LAYERS * (6 * WIDTH**2 + 2 * WIDTH * FEED_FORWARD) + WIDTH * vocabulary
    recurrent = 4 * DECODER * (EMBEDDING + 2 * DECODER) + DECODER**2
    joeynmt = recurrent + (2 * ENCODER + DECODER) * DECODER + DECODER * vocabulary
    return {f"{CTRANSLATE2} float32": 4 * transformer, JOEYNMT: 4 * joeynmt}


def _share(case: Case, side: str, timings: Mapping[str, Timing], read: Mapping[str, int]) -> str:
    """Return how fast a step reads its weights, as a share of how fast the memory can be read."""
    if side not in read or MEMORY not in timings:
        return ""
    pace = _ratio(timings[MEMORY].turns, timings[side].turns)  # seconds of READ bytes, and of a run
    return f"{100 * pace * read[side] * case.steps / READ:.0f} %"


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return median(x / y for x, y in zip(theirs, ours, strict=True))
