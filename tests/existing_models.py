"""SentencePiece models as others train them, with other ids, and text that they treat specially."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from tests.hard_text import HARD_TEXT, LEARNED

NONE = {"pad_id": -1, "bos_id": -1, "eos_id": -1}
EXISTING: dict[str, dict[str, Any]] = {
    "unigram": {"model_type": "unigram"},  # unknown 0, start 1, end 2
    "t5": {
        "model_type": "unigram",
        "pad_id": 0,
        "eos_id": 1,
        "unk_id": 2,
        "bos_id": -1,
        "user_defined_symbols": ["<ent>", "cat", "漢é", "<0x41>", "at a"],
        "control_symbols": ["<cls>", "<sep>"],
    },
    "llama": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["▁▁", "▁▁▁▁"],
    },
    "unigram-bytes": {
        **NONE,
        "model_type": "unigram",
        "byte_fallback": True,
        "unk_piece": "[UNK]",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
    },
    "bpe": {
        **NONE,
        "model_type": "bpe",
        "unk_id": 3,
        "unk_surface": " ?? ",
        "user_defined_symbols": ["<pad>", "cat", "ﬁ", "th"],
        "normalization_rule_name": "nmt_nfkc_cf",
    },
    "char": {"model_type": "char", "bos_id": 3, "pad_id": 1, "user_defined_symbols": ["cat"]},
    "word": {
        "model_type": "word",
        "bos_piece": "[B]",
        "eos_id": 7,
        "pad_id": 5,
        "bos_id": 6,
        "remove_extra_whitespaces": False,
    },
}
SUBWORDS = ("unigram", "bpe", "t5", "llama")
"""Those with which 10,000 real lines are compared."""
TEXTS = [
    *LEARNED,
    *HARD_TEXT.values(),
    "the<ent>cat<pad>concat cats <cls>  ﬁne</s> [UNK]",
    "    a   cat  ",
    "漢é漢é漢 <0x41> ▁▁ at a",
]


def existing_model(name: str, sentences: list[str] | None = None, size: int = 340) -> bytes:
    """Train the model of this name."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences or LEARNED),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **EXISTING[name],
    )
    return model.getvalue()


def processor_of(model: bytes) -> sentencepiece.SentencePieceProcessor:
    """SentencePiece itself, with the ids of the model."""
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    return processor


def real_lines(corpora: Path) -> list[str]:
    """10,000 lines of Multi30k in German."""
    file = corpora / "multi30k" / "train.de"
    if not file.is_file():
        pytest.skip(f"no {file}")
    with file.open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in islice(lines, 10_000)]
