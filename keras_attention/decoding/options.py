"""Build a search from the numbers in a configuration file or on a command line."""

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
    """Build a search from plain numbers; a beam width of 1 is greedy search.

    Args:
        beam_width: Number of hypotheses kept per row, K.
        length_penalty: As in `BeamSearch`.
        coverage_penalty: As in `BeamSearch`.
        min_length: Minimum number of tokens; None for no minimum.
        no_repeat_ngram: n of the n-grams that must not repeat; None to allow repetition.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> import keras_attention as ka
        >>> ka.decoding.search_from(beam_width=1, length_penalty=0.6)
        GreedySearch()
        >>> ka.decoding.search_from(beam_width=5, length_penalty=0.6, min_length=3)
        BeamSearch(width=5, length_penalty=0.6, constraints=(MinLength(length=3),))
    """
    constraints: tuple[Constraint, ...] = ()
    if min_length is not None:
        constraints += (MinLength(min_length),)
    if no_repeat_ngram is not None:
        constraints += (NoRepeatedNgram(no_repeat_ngram),)
    if beam_width == 1:
        return GreedySearch(constraints)
    return BeamSearch(beam_width, length_penalty, coverage_penalty, constraints=constraints)
