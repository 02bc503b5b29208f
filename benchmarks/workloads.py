"""What is measured: the models, their sizes, and how many operations they take.

It is read in the environments of all peers, so it needs the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

VOCABULARY, EMBEDDING, ENCODER, DECODER = 8000, 256, 256, 512  # the encoder's: of each direction
DECODED_STEPS, BEAM = 30, 5
START, END = 1, 2

Model = Literal["W1", "W2"]
Task = Literal["train", "greedy", "beam"]
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


@dataclass(frozen=True)
class Case:
    """One line of the table.

    `W1` has a bidirectional LSTM of 256 units a direction, additive attention of 512 over it, an
    LSTM decoder of 512, and a layer of 512 over state and context that is fed back; `W2` the same
    with Luong's general score and nothing fed back. Both have embeddings of 256 and a softmax over
    the vocabulary; a training step is Adam's, on a batch without padding.

    Args:
        model: `"W1"` or `"W2"`.
        task: `"train"`; or `"greedy"` or `"beam"`, 30 steps of a search that may not end before.
        length: Tokens of a source, and of a target in training.
        batch: Sentences.
        precision: `"float32"`, or `"bfloat16"` for products in it.
        vocabulary: Tokens of either side.
        threads: Of the machine; 0 for all.
    """

    model: Model
    task: Task
    length: int = 15
    batch: int = 64
    precision: Precision = "float32"
    vocabulary: int = VOCABULARY
    threads: int = 0

    @property
    def name(self) -> str:
        """As it stands in the table: a first size, and those that are not as usual."""
        is_training, usual = self.task == "train", type(self)(self.model, self.task)
        sizes = [f"L={self.length}"] if is_training else [f"B={self.batch}"]
        if is_training and self.batch != usual.batch:
            sizes.append(f"B={self.batch}")
        if self.vocabulary != usual.vocabulary:
            sizes.append(f"V={self.vocabulary}")
        return f"{self.model} {' '.join(sizes)} {self.task} {self.precision}"

    @property
    def tokens(self) -> int:
        """Target tokens of a run."""
        return self.batch * (self.length if self.task == "train" else DECODED_STEPS)


class Product(NamedTuple):
    """A matrix product (rows, inner) x (inner, columns), so many times one after the other."""

    rows: int
    inner: int
    columns: int
    times: int = 1


def products(case: Case) -> list[Product]:
    """The matrix products of a training step's way forward; the way back has twice as many.

    What depends on the step before is a product of one step's rows.
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
