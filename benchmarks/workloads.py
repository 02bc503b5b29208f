"""The workloads: models, their sizes, and the number of operations.

The environments of all peers import this module, so it uses the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

VOCABULARY, EMBEDDING, ENCODER, DECODER = 8000, 256, 256, 512  # ENCODER: per direction
DECODED_STEPS, BEAM = 30, 5
LAYERS, HEADS, WIDTH, FEED_FORWARD = 3, 4, 256, 1024  # of a Transformer's encoder and decoder
CONVERTED = ("float32", "int8")  # the precisions of its files
START, END = 1, 2
READ = 512 * 2**20  # bytes, to measure how fast the machine reads memory

Model = Literal["W1", "W2"]
Task = Literal["train", "greedy", "beam"]
SEARCHES: tuple[Task, ...] = ("greedy", "beam")
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


@dataclass(frozen=True)
class Case:
    """One line of the table.

    `W1` has a bidirectional LSTM encoder with 256 units per direction, additive attention with 512
    units, an LSTM decoder with 512 units, and a layer with 512 units on state and context, whose
    output is fed back. `W2` is the same with Luong's general score and without feedback. Both have
    embeddings of size 256 and a softmax over the vocabulary. A training step uses Adam on a batch
    without padding.

    Args:
        model: `"W1"` or `"W2"`.
        task: `"train"`, or a search: `"greedy"` or `"beam"`.
        length: The number of tokens per source, and per target in training.
        batch: The number of sentences.
        precision: `"float32"`, or `"bfloat16"` for matrix products in bfloat16.
        vocabulary: The number of tokens on each side.
        threads: The number of threads; 0 for all.
        steps: The number of target tokens per source that a search writes, neither fewer nor more.
    """

    model: Model
    task: Task
    length: int = 15
    batch: int = 64
    precision: Precision = "float32"
    vocabulary: int = VOCABULARY
    threads: int = 0
    steps: int = DECODED_STEPS

    @property
    def name(self) -> str:
        """The name in the table: the main size, and all others that are not the default."""
        is_training, usual = self.task == "train", type(self)(self.model, self.task)
        sizes = [f"L={self.length}"] if is_training else [f"B={self.batch}"]
        if is_training and self.batch != usual.batch:
            sizes.append(f"B={self.batch}")
        if self.vocabulary != usual.vocabulary:
            sizes.append(f"V={self.vocabulary}")
        return f"{self.model} {' '.join(sizes)} {self.task} {self.precision}"

    @property
    def tokens(self) -> int:
        """The number of target tokens per run."""
        return self.batch * (self.length if self.task == "train" else self.steps)


class Product(NamedTuple):
    """A matrix product (rows, inner) x (inner, columns), repeated `times` times in sequence."""

    rows: int
    inner: int
    columns: int
    times: int = 1


def products(case: Case) -> list[Product]:
    """Return the matrix products of a forward pass; the backward pass has twice as many.

    A product that depends on the previous step has the rows of a single step.
    """
    steps, step = case.length, case.batch
    rows = steps * step
    fed, query = (DECODER, 1) if case.model == "W1" else (0, 0)
    once = [
        *[Product(rows, EMBEDDING, 4 * ENCODER)] * 2,
        Product(rows, 2 * ENCODER, DECODER),  # the keys
        Product(rows, EMBEDDING, 4 * DECODER),
        Product(rows, DECODER, case.vocabulary),
    ]
    at_each_step = [
        *[Product(step, ENCODER, 4 * ENCODER, steps)] * 2,
        Product(step, fed + DECODER, 4 * DECODER, steps),
        *[Product(step, DECODER, DECODER, steps)] * query,
    ]
    after = Product(rows, 2 * DECODER, DECODER)
    if fed:
        at_each_step.append(Product(step, 2 * DECODER, DECODER, steps))
    else:
        once.append(after)
    return once + at_each_step
