"""JoeyNMT 2.3, with its own model, loss and search."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from joeynmt.decoders import RecurrentDecoder
from joeynmt.embeddings import Embeddings
from joeynmt.encoders import RecurrentEncoder
from joeynmt.model import Model
from joeynmt.search import beam_search, greedy
from joeynmt.vocabulary import Vocabulary
from torch import Tensor

from benchmarks.worker import Run, serve
from benchmarks.workers.torch_training import set_up, training_step
from benchmarks.workloads import BEAM, DECODER, EMBEDDING, ENCODER, Case

_SPECIALS = {"unk": 0, "pad": 1, "bos": 2, "eos": 3}
_LENGTH_PENALTY = 1.0


def model_of(case: Case) -> Model:
    """Return the model of the workload."""
    specials = {f"{name}_token": f"<{name}>" for name in _SPECIALS}
    ids = {f"{name}_id": place for name, place in _SPECIALS.items()}
    words = [str(i) for i in range(case.vocabulary - len(_SPECIALS))]
    options = SimpleNamespace(**specials, **ids, lang_tags=[], sep_token=None, sep_id=None)
    vocabulary = Vocabulary(words, options)
    source, target = (Embeddings(EMBEDDING, vocab_size=case.vocabulary) for _ in range(2))
    encoder = RecurrentEncoder("lstm", hidden_size=ENCODER, emb_size=EMBEDDING)
    decoder = RecurrentDecoder(
        "lstm",
        emb_size=EMBEDDING,
        hidden_size=DECODER,
        encoder=encoder,
        attention="bahdanau" if case.model == "W1" else "luong",
        vocab_size=case.vocabulary,
        input_feeding=case.model == "W1",
    )
    return Model(encoder, decoder, source, target, vocabulary, vocabulary)


def prepare(case: Case) -> Run:
    """Prepare a training step, or a search that cannot end before its last step."""
    set_up(case)
    model = model_of(case)
    source, inputs, labels = torch.randint(4, case.vocabulary, (3, case.batch, case.length))
    mask = torch.ones(case.batch, 1, case.length, dtype=torch.bool)
    lengths = torch.full((case.batch,), case.length)
    if case.task == "train":
        model.loss_function = ("crossentropy", 0.0)

        def loss() -> Tensor:
            result, *_ = model(
                return_type="loss",
                src=source,
                trg_input=inputs,
                trg=labels,
                src_mask=mask,
                src_length=lengths,
                trg_mask=mask,
            )
            return result / labels.numel()

        return training_step(case, model.parameters(), loss)

    model.eval()

    @torch.no_grad()
    def search() -> object:
        encoded, hidden, *_ = model(
            return_type="encode", src=source, src_length=lengths, src_mask=mask
        )
        options = {"min_output_length": case.steps, "max_output_length": case.steps}
        given = {"encoder_output": encoded, "encoder_hidden": hidden, "src_mask": mask}
        if case.task == "greedy":
            return greedy(model=model, **given, **options)
        return beam_search(model, BEAM, alpha=_LENGTH_PENALTY, **given, **options)

    return search


if __name__ == "__main__":
    serve(prepare, f"JoeyNMT 2.3.0 on PyTorch {torch.__version__}")
