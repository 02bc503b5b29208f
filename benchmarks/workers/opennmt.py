"""OpenNMT-py 3.5, with its own model and loss."""

from __future__ import annotations

import onmt
import torch
from onmt.decoders.decoder import InputFeedRNNDecoder, StdRNNDecoder
from onmt.encoders.rnn_encoder import RNNEncoder
from onmt.models import NMTModel
from onmt.modules import Embeddings
from onmt.utils.loss import LossCompute
from torch import Tensor, nn

from benchmarks.worker import Run, serve
from benchmarks.workers.torch_training import set_up, training_step
from benchmarks.workloads import DECODER, EMBEDDING, ENCODER, Case

_PADDING = 1


def prepare(case: Case) -> Run:
    """Prepare a training step."""
    if case.task != "train":
        raise ValueError("OpenNMT-py's search requires a trained model with its options.")
    set_up(case)
    source, target = (Embeddings(EMBEDDING, case.vocabulary, _PADDING) for _ in range(2))
    encoder = RNNEncoder("LSTM", True, 1, 2 * ENCODER, embeddings=source, use_bridge=True)
    kind = InputFeedRNNDecoder if case.model == "W1" else StdRNNDecoder
    attention = "mlp" if case.model == "W1" else "general"
    decoder = kind("LSTM", True, 1, DECODER, attn_type=attention, embeddings=target)
    model = NMTModel(encoder, decoder)
    generator = nn.Sequential(nn.Linear(DECODER, case.vocabulary), nn.LogSoftmax(dim=-1))
    compute = LossCompute(nn.NLLLoss(ignore_index=_PADDING, reduction="sum"), generator)

    sources = torch.randint(4, case.vocabulary, (case.batch, case.length, 1))
    targets = torch.randint(4, case.vocabulary, (case.batch, case.length + 1, 1))
    lengths = torch.full((case.batch,), case.length)
    batch = {"src": sources, "tgt": targets, "srclen": lengths}

    def loss() -> Tensor:
        outputs, attentions = model(sources, targets, lengths)
        total, _ = compute(batch, outputs, attentions)
        return total / (case.batch * case.length)

    return training_step(case, [*model.parameters(), *generator.parameters()], loss)


if __name__ == "__main__":
    serve(prepare, f"OpenNMT-py {onmt.__version__} on PyTorch {torch.__version__}")
