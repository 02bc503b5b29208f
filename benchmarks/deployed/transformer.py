"""The Transformer to compare with: OpenNMT-py trains it on the pieces of our run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.environments import CTRANSLATE2, PEERS, Peer
from benchmarks.run import environment
from benchmarks.workloads import CONVERTED
from keras_attention import RunDirectory, SentencePieceTokenizer
from keras_attention.ids import UNKNOWN_ID

_TRAINED_BY = "opennmt"


def transformer(run: RunDirectory, data: Path, folder: Path) -> dict[str, Peer]:
    """Return the sides of CTranslate2, after training the model unless it is there.

    An interrupted training is resumed.

    Args:
        run: Our run, whose tokenizers both models share.
        data: The folder with `multi30k/`.
        folder: The folder of the training and of the converted models.
    """
    CTRANSLATE2.install()
    if not all((folder / precision / "model.bin").exists() for precision in CONVERTED):
        trainer = PEERS[_TRAINED_BY]
        trainer.install()
        write_text(run, data / "multi30k", folder)
        module = "benchmarks.workers.opennmt_training"
        command = [str(trainer.interpreter), "-m", module, str(folder)]
        print(f"Training a Transformer in {folder} ...", flush=True)
        subprocess.run(command, check=True, env=environment())
    return {f"CTranslate2 {precision}": _side(folder / precision) for precision in CONVERTED}


def _side(folder: Path) -> Peer:
    given = CTRANSLATE2
    return Peer(given.module, given.requirements, given.python, (os.fspath(folder.absolute()),))


def write_text(run: RunDirectory, corpus: Path, folder: Path) -> None:
    """Write the text as OpenNMT-py reads it: our ids are its words.

    Args:
        run: Our run.
        corpus: The folder of the German and English text.
        folder: The folder for `train.source` and so on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sides = zip(("source", "target"), ("de", "en"), run.tokenizers(), strict=True)
    for side, language, tokenizer in sides:
        for part in ("train", "val"):
            lines = (corpus / f"{part}.{language}").read_text(encoding="utf-8").splitlines()
            _write(folder / f"{part}.{side}", as_words(tokenizer, lines))
        words = map(str, range(UNKNOWN_ID + 1, tokenizer.vocabulary_size))
        _write(folder / f"vocabulary.{side}", list(words))


def as_words(tokenizer: SentencePieceTokenizer, texts: list[str]) -> list[str]:
    """Return the ids of each text as words."""
    return [" ".join(map(str, ids)) for ids in tokenizer.encode(texts)]


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
