"""The bounds of stored values, as annotations, and the values that are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple


class Within(NamedTuple):
    """The bounds of a number, or of the length of a text or list.

    Attributes:
        least: The lower bound.
        most: The upper bound, included.
    """

    least: float
    most: float


class Matches(NamedTuple):
    """The form of a text.

    Attributes:
        pattern: A regular expression.
        what: What it stands for, for the error message.
    """

    pattern: str
    what: str


Size = Annotated[int, Within(1, 2**16)]
Layers = Annotated[int, Within(1, 64)]
Vocabulary = Annotated[int, Within(4, 2**24)]
Length = Annotated[int, Within(1, 2**20)]
Count = Annotated[int, Within(0, 2**31 - 1)]
Seed = Annotated[int, Within(0, 2**32 - 1)]
Fraction = Annotated[float, Within(0.0, 1.0)]
Factor = Annotated[float, Within(0.0, 1e9)]
Number = Annotated[float, Within(-1e30, 1e30)]
Text = Annotated[str, Within(0, 10**5)]
Name = Annotated[str, Within(1, 1000)]
Place = Annotated[
    Name, Matches(r"(?!/)(?!.*(^|/)\.\.(/|$))[^\\]+", "a path inside the folder, without `..`")
]
Names = Annotated[Sequence[Name], Within(0, 10**5)]

Score = Literal["dot", "scaled_dot", "cosine", "general", "concat"]
AlignmentName = Literal[
    "softmax", "sparsemax", "hardmax", "monotonic", "mocha", "local-m", "local-p"
]
PastName = Literal["location", "coverage"]
Query = Literal["current", "previous", "between", "bottom"]
BridgeKind = Literal["dense", "mean", "copy", "zeros"]
DecoderCell = Literal["lstm", "gru", "ln-lstm"]
ModelType = Literal["char", "unigram", "bpe", "word"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
MetricName = Literal["bleu", "chrf", "exact_match", "token_error_rate"]
Options = Annotated[Mapping[Name, bool | Number | Name | None], Within(0, 20)]
