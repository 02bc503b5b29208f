"""Train JoeyNMT 2.3 on parallel text, with its own subwords, in bfloat16.

    python -m benchmarks.workers.joeynmt_training SOURCE TARGET FOLDER

SOURCE and TARGET are patterns of file names, such as `multi30k/{}.de`, for `train` and `val`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sentencepiece
import torch
from joeynmt import training
from joeynmt.helpers import make_model_dir

_SUBWORDS = 8000
_SPECIALS = ("<unk>", "<pad>", "<s>", "</s>")
"""In the order of JoeyNMT's ids."""


def learn_subwords(files: list[Path], prefix: Path) -> None:
    """Learn a joint lower-cased byte-pair encoding, and write its vocabulary to a file."""
    sentencepiece.SentencePieceTrainer.Train(
        input=[str(file) for file in files],
        model_prefix=str(prefix),
        vocab_size=_SUBWORDS,
        model_type="bpe",
        normalization_rule_name="nmt_nfkc_cf",
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    known = [pieces.id_to_piece(i) for i in range(len(pieces))]
    words = [*_SPECIALS, *(piece for piece in known if piece not in _SPECIALS)]
    prefix.with_suffix(".txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def settings(train: list[Path], dev: list[Path], folder: Path) -> dict[str, Any]:
    """Return JoeyNMT's settings: sizes as in the workloads, the rest suited to 29,000 pairs."""
    prefix = folder / "subwords"
    side = {
        "max_length": 96,
        "level": "bpe",
        "lowercase": True,
        "voc_file": f"{prefix}.txt",
        "tokenizer_type": "sentencepiece",
        "tokenizer_cfg": {"model_file": f"{prefix}.model"},
    }
    embeddings = {"embedding_dim": 256, "scale": False, "dropout": 0.3}
    recurrent = {"rnn_type": "lstm", "num_layers": 1, "embeddings": embeddings, "dropout": 0.3}
    return {
        "name": "race",
        "model_dir": str(folder / "model"),
        "use_cuda": False,
        "data": {
            "train": str(train[0].with_suffix("")),
            "dev": str(dev[0].with_suffix("")),
            "dataset_type": "plain",
            "src": {"lang": train[0].suffix[1:], **side},
            "trg": {"lang": train[1].suffix[1:], **side},
        },
        "testing": {"batch_size": 64, "eval_metrics": ["bleu"], "beam_size": 1},
        "training": {
            "optimizer": "adamw",
            "learning_rate": 0.001,
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": 400,
            "clip_grad_norm": 1.0,
            "normalization": "tokens",
            "batch_size": 64,
            "epochs": 100,
            "validation_freq": 200,
            "logging_freq": 100,
            "early_stopping_metric": "bleu",
            "keep_best_ckpts": 1,
            "overwrite": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "bias_initializer": "zeros",
            "init_rnn_orthogonal": False,
            "lstm_forget_gate": 1.0,
            "encoder": {
                **recurrent,
                "type": "recurrent",
                "hidden_size": 256,
                "bidirectional": True,
            },
            "decoder": {
                **recurrent,
                "type": "recurrent",
                "hidden_size": 512,
                "attention": "bahdanau",
                "input_feeding": True,
                "init_hidden": "bridge",
            },
        },
    }


def main() -> None:
    """Train until stopped; JoeyNMT's log contains the BLEU scores."""
    source, target, name = sys.argv[1:]
    folder = Path(name).absolute()
    train, dev = (
        [Path(side.format(part)) for side in (source, target)] for part in ("train", "val")
    )
    learn_subwords(train, folder / "subwords")
    cfg = settings(train, dev, folder)
    make_model_dir(Path(cfg["model_dir"]), overwrite=True)
    torch.set_float32_matmul_precision("medium")
    parsed = training.parse_global_args

    def in_bfloat16(*args: Any, **kwargs: Any) -> Any:
        options = {"device_type": "cpu", "enabled": True, "dtype": torch.bfloat16}
        return parsed(*args, **kwargs)._replace(autocast=options)

    with patch.object(training, "parse_global_args", in_bfloat16):
        training.train(0, 0, cfg, skip_test=True)


if __name__ == "__main__":
    main()
