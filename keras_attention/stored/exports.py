"""What an export stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from .bounds import Count, Length, ModelType, Name, Place, Text, Vocabulary, Within
from .runs import Architecture, Search


@dataclass(frozen=True)
class Ids:
    """The ids that mean the same in every vocabulary."""

    padding: Literal[0]
    start: Literal[1]
    end: Literal[2]
    unknown: Literal[3]


@dataclass(frozen=True)
class TensorKind:
    """The type of a tensor; an unknown size is None."""

    dtype: Literal["float32", "int32", "string"]
    shape: Annotated[Sequence[Count | None], Within(0, 8)]


@dataclass(frozen=True)
class Signature:
    """The tensors of a function by name."""

    inputs: Annotated[Mapping[Name, TensorKind], Within(0, 1000)]
    outputs: Annotated[Mapping[Name, TensorKind], Within(0, 1000)]


@dataclass(frozen=True)
class ExportConfig:
    """What a user of an export needs to know: its `config.json`.

    Attributes:
        name: The name of the model.
        formats: The formats.
        artefacts: The files or folders of each format, relative to the export.
        ids: The ids that mean the same in both vocabularies.
        decoder_start_id: The id that the first step of the decoder reads.
        source_vocabulary: The number of source tokens.
        target_vocabulary: The number of target tokens.
        max_source_length: The maximum number of source tokens, including the end token.
        max_target_length: The maximum number of target tokens, including the end token.
        tokenizer: The type of SentencePiece model.
        normalization: SentencePiece's normalization rule.
        search: The search of `translate`.
        beam: The search of `beam`.
        signatures: The functions of the artefacts.
        model: The architecture.
        versions: The versions of the packages that wrote the export.
    """

    name: Name
    formats: Annotated[Sequence[Name], Within(0, 10)]
    artefacts: Annotated[Mapping[Name, Annotated[Sequence[Place], Within(0, 100)]], Within(0, 10)]
    ids: Ids
    decoder_start_id: Literal[1, 2]
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    max_source_length: Length
    max_target_length: Length
    tokenizer: ModelType
    normalization: Name
    search: Search
    beam: Search
    signatures: Annotated[Mapping[Name, Signature], Within(0, 100)]
    model: Architecture
    versions: Annotated[Mapping[Name, Name], Within(1, 1000)]


@dataclass(frozen=True)
class Example:
    """A text with the output of the Keras model: one of the list in `examples.json`.

    Attributes:
        source: The source text.
        target: The greedy translation.
        source_ids: The ids of the source, including the end token.
        target_ids: The ids of the translation.
    """

    source: Text
    target: Text
    source_ids: Annotated[Sequence[Count], Within(0, 2**20)]
    target_ids: Annotated[Sequence[Count], Within(0, 2**20)]
