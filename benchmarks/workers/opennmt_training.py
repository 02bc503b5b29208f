"""Train a Transformer with OpenNMT-py 3.5, and convert it for CTranslate2.

    python -m benchmarks.workers.opennmt_training FOLDER [STEPS]

FOLDER holds text, one sentence a line, of words separated by spaces: `train` and `val`, each with
`.source` and `.target`, and `vocabulary.source` and `vocabulary.target`, a word a line. A training
that was interrupted goes on from its last checkpoint. Matrix products are in bfloat16. The mean of
the last checkpoints is converted to `float32/` and `int8/`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
import yaml
from ctranslate2.converters import OpenNMTPyConverter
from onmt.bin.average_models import average_models
from onmt.bin.train import _get_parser, train

from benchmarks.workloads import CONVERTED, FEED_FORWARD, HEADS, LAYERS, WIDTH

_STEPS, _AVERAGED, _EVERY = 8000, 5, 500


def settings(folder: Path, steps: int, resumed: Path | None) -> dict[str, Any]:
    """Return OpenNMT-py's settings: those of a small Transformer for 29,000 pairs.

    Args:
        folder: The folder of the text and of the checkpoints.
        steps: The steps of the whole training.
        resumed: The checkpoint to go on from; None to start.
    """
    parts = {"corpus": "train", "valid": "val"}
    return {
        "data": {
            name: {"path_src": f"{folder}/{part}.source", "path_tgt": f"{folder}/{part}.target"}
            for name, part in parts.items()
        },
        "transforms": ["filtertoolong"],
        "src_seq_length": 96,
        "tgt_seq_length": 96,
        "src_vocab": f"{folder}/vocabulary.source",
        "tgt_vocab": f"{folder}/vocabulary.target",
        "save_model": f"{folder}/model",
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "layers": LAYERS,
        "hidden_size": WIDTH,
        "word_vec_size": WIDTH,
        "transformer_ff": FEED_FORWARD,
        "heads": HEADS,
        "self_attn_type": "scaled-dot",
        "position_encoding": True,
        "share_decoder_embeddings": True,
        "param_init": 0.0,
        "param_init_glorot": True,
        "dropout": [0.3],
        "attention_dropout": [0.1],
        "label_smoothing": 0.1,
        "optim": "adam",
        "adam_beta2": 0.998,
        "decay_method": "noam",
        "learning_rate": 1.0,
        "warmup_steps": min(1000, max(1, steps // 8)),
        "max_grad_norm": 0.0,
        "batch_type": "tokens",
        "normalization": "tokens",
        "batch_size": 2048,
        "accum_count": [1],
        "bucket_size": 32768,
        "num_workers": 0,
        "train_steps": steps,
        "valid_steps": _EVERY,
        "valid_batch_size": 64,
        "save_checkpoint_steps": _EVERY,
        "keep_checkpoint": -1,
        "report_every": 100,
        "seed": 1,
        **({} if resumed is None else {"train_from": str(resumed)}),
    }


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return the checkpoints of a training by their steps, the earliest first."""
    found = {int(re.sub(r"\D", "", file.stem)): file for file in folder.glob("model_step_*.pt")}
    return dict(sorted(found.items()))


def _in_bfloat16(enabled: bool) -> torch.autocast:
    """Return the context of a forward pass on the CPU, which OpenNMT-py has for GPUs only."""
    return torch.autocast("cpu", torch.bfloat16)


def main() -> None:
    """Train up to the last step, and convert."""
    folder = Path(sys.argv[1]).absolute()
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else _STEPS
    made = checkpoints(folder)
    if max(made, default=0) < steps:
        config = folder / "training.yaml"
        wanted = settings(folder, steps, made[max(made)] if made else None)
        config.write_text(yaml.safe_dump(wanted), encoding="utf-8")
        with patch.object(torch.cuda.amp, "autocast", _in_bfloat16):
            train(_get_parser().parse_args(["--config", str(config)]))
    last = list(checkpoints(folder).values())[-_AVERAGED:]
    torch.save(average_models([str(file) for file in last]), folder / "model.pt")
    converter = OpenNMTPyConverter(str(folder / "model.pt"), unsafe_deserialization=True)
    for precision in CONVERTED:
        converter.convert(str(folder / precision), quantization=precision, force=True)


if __name__ == "__main__":
    main()
