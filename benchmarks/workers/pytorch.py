"""PyTorch, with a typical loop that contains only what depends on the previous step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.worker import Run, serve
from benchmarks.workers.torch_training import set_up, training_step
from benchmarks.workloads import DECODER, EMBEDDING, ENCODER, Case


class Model(nn.Module):
    """The model of the workload."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.feeds_back = case.model == "W1"
        self.source_embedding = nn.Embedding(case.vocabulary, EMBEDDING)
        self.target_embedding = nn.Embedding(case.vocabulary, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING, ENCODER, batch_first=True, bidirectional=True)
        self.bridges = nn.ModuleList(nn.Linear(2 * ENCODER, DECODER) for _ in range(2))
        self.keys = nn.Linear(2 * ENCODER, DECODER, bias=False)
        if self.feeds_back:
            self.inputs = nn.Linear(EMBEDDING, 4 * DECODER)
            self.recurrent = nn.Linear(2 * DECODER, 4 * DECODER, bias=False)
            self.query = nn.Linear(DECODER, DECODER, bias=False)
            self.score = nn.Parameter(torch.randn(DECODER) / DECODER**0.5)
        else:
            self.lstm = nn.LSTM(EMBEDDING, DECODER, batch_first=True)
        self.combine = nn.Linear(2 * ENCODER + DECODER, DECODER)
        self.logits = nn.Linear(DECODER, case.vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return logits (B, T, V)."""
        encoded, ends = self.encoder(self.source_embedding(source))
        pairs = [torch.cat(list(end), 1) for end in ends]
        h, c = (torch.tanh(own(pair)) for own, pair in zip(self.bridges, pairs, strict=True))
        keys, embedded = self.keys(encoded), self.target_embedding(target)
        if not self.feeds_back:
            outputs, _ = self.lstm(embedded, (h[None], c[None]))
            weights = torch.softmax(outputs @ keys.transpose(1, 2), -1)
            return self.logits(self._combined(outputs, weights @ encoded))
        fed, outputs = torch.zeros_like(h), []
        for known in self.inputs(embedded).unbind(1):
            gates = known + self.recurrent(torch.cat([fed, h], 1))
            i, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            scores = torch.tanh(keys + self.query(h)[:, None]) @ self.score.to(keys.dtype)
            context = torch.bmm(torch.softmax(scores, -1)[:, None].to(encoded.dtype), encoded)[:, 0]
            fed = self._combined(h, context)
            outputs.append(fed)
        return self.logits(torch.stack(outputs, 1))

    def _combined(self, output: Tensor, context: Tensor) -> Tensor:
        return torch.tanh(self.combine(torch.cat([output, context], -1)))


def prepare(case: Case) -> Run:
    """Prepare a training step; there is no search."""
    if case.task != "train":
        raise ValueError("PyTorch has no search of its own.")
    set_up(case)
    model = Model(case)
    source, target, labels = torch.randint(4, case.vocabulary, (3, case.batch, case.length))

    def loss() -> Tensor:
        return F.cross_entropy(model(source, target).flatten(0, 1), labels.flatten())

    return training_step(case, model.parameters(), loss)


if __name__ == "__main__":
    serve(prepare, f"PyTorch {torch.__version__}")
