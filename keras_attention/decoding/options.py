"""The search that numbers in a file, or options of a program, ask for."""

from __future__ import annotations

from keras_attention.decoding.beam import BeamSearch
from keras_attention.decoding.constraints import Constraint, MinLength, NoRepeatedNgram
from keras_attention.decoding.greedy import GreedySearch


def search_from(
    beam_width: int,
    length_penalty: float,
    coverage_penalty: float = 0.0,
    min_length: int | None = None,
    no_repeat_ngram: int | None = None,
) -> GreedySearch | BeamSearch:
    """The search of these options: a beam of one is greedy.

    Args:
        beam_width: How many hypotheses are kept, K.
        length_penalty: Of the beam.
        coverage_penalty: Of the beam.
        min_length: The least number of tokens, or None for any.
        no_repeat_ngram: How many consecutive tokens may not come twice, or None.

    Raises:
        ValueError: If one of them cannot be.
    """
    constraints: tuple[Constraint, ...] = ()
    if min_length is not None:
        constraints += (MinLength(min_length),)
    if no_repeat_ngram is not None:
        constraints += (NoRepeatedNgram(no_repeat_ngram),)
    if beam_width == 1:
        return GreedySearch(constraints)
    return BeamSearch(beam_width, length_penalty, coverage_penalty, constraints=constraints)
