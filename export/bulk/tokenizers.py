"""The tokenizers of an export, with the `sentencepiece` package alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from programs.library import stored, without_keras
from programs.lines import UNKNOWN_ID
from programs.word_alignments import text_tokens

_IDS = without_keras("ids")
PADDING_ID: int = _IDS.PADDING_ID
START_ID: int = _IDS.START_ID
END_ID: int = _IDS.END_ID


class Tokenizers:
    """Text to ids, and target ids to text, as the library's tokenizers do it.

    Args:
        export: The folder of the export.
        threads: The number of threads.

    Attributes:
        limit: The maximum number of source tokens, including the end token.
        target_limit: That of target tokens.
    """

    def __init__(self, export: str | Path, threads: int = 1) -> None:
        config = stored().read_export(export)
        self.limit: int = config.max_source_length
        self.target_limit: int = config.max_target_length
        self._model = Path(export, "source.model").read_bytes()
        self._source = _processor(self._model, "source.model")
        self._target = _processor(Path(export, "target.model").read_bytes(), "target.model")
        self._threads = threads

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of source texts, without the end token."""
        return self._encode(self._source, texts)

    def encode_target(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of target texts, without the end token."""
        return self._encode(self._target, texts)

    def _encode(self, processor: Any, texts: Sequence[str]) -> list[list[int]]:
        return [list(ids) for ids in processor.encode(list(texts), num_threads=self._threads)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of target ids; special tokens are skipped."""
        skipped = (PADDING_ID, START_ID, END_ID)
        return str(self._target.decode([i for i in ids if i not in skipped]))

    def source_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the tokens of texts, for an alignment; see `text_tokens`."""
        return text_tokens(self._model, texts)

    def target_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return target tokens as they appear in the text, without the end token."""
        kept = ids[:-1] if ids and ids[-1] == END_ID else ids
        return [
            " ⁇ " if i == UNKNOWN_ID else self._target.id_to_piece(i).replace("▁", " ")
            for i in kept
        ]


def _processor(model: bytes, name: str) -> Any:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise ValueError(f"{name} is no SentencePiece model: {error}") from error
    ids = (processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id())
    if ids != (PADDING_ID, START_ID, END_ID, UNKNOWN_ID):
        raise ValueError(
            f"{name} must use the ids padding 0, start 1, end 2, unknown 3. "
            f"Received: padding, start, end, unknown = {ids}"
        )
    return processor
