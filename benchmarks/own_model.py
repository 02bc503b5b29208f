"""The model of the workloads, in this project."""

from __future__ import annotations

import keras_attention as ka
from benchmarks.workloads import BEAM, DECODER, EMBEDDING, ENCODER, END, START, Case

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""Keras's name of each precision."""


def model_of(case: Case, policy: str | None = None) -> ka.Seq2Seq:
    """Return the model with initial weights; in a search, no hypothesis ends.

    Args:
        case: The case.
        policy: The dtype policy, if it is not that of the case's precision.
    """
    model = ka.Seq2Seq(
        ka.Seq2SeqConfig(
            source_vocabulary=case.vocabulary,
            target_vocabulary=case.vocabulary,
            embedding_size=EMBEDDING,
            encoder_units=ENCODER,
            decoder_units=DECODER,
            attention="bahdanau" if case.model == "W1" else "luong",
            attention_units=DECODER,
            query="current",
            input_feeding=case.model == "W1",
            attention_layer_units=DECODER,
        ),
        dtype=policy or POLICIES[case.precision],
    )
    if case.task != "train":
        never_end(model)
    return model


def never_end(model: ka.Seq2Seq) -> None:
    """Make the end token very unlikely, or as unlikely as the start token where there is no bias.

    The start token is never a target, so a trained model has learned not to write it.
    """
    if model.logits is not None:
        bias = model.logits.bias.numpy()
        bias[END] = -1e9
        model.logits.bias.assign(bias)
        return
    table = model.target_embedding.embeddings
    rows = table.numpy()
    rows[END] = rows[START]
    table.assign(rows)


def search_of(case: Case) -> ka.GreedySearch | ka.BeamSearch:
    """Return the search."""
    return ka.GreedySearch() if case.task == "greedy" else ka.BeamSearch(BEAM)
