"""What programs that look at a finished run ask for alike: a test set and a search."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_attention import Translator
    from training.corpora import Pair

_FILES = ("source", "target", "tsv")


def add_test_set(parser: argparse.ArgumentParser) -> None:
    """The options that name a test set; none of them stands for the run's held-out pairs."""
    group = parser.add_argument_group("test set, in the place of the run's held-out pairs")
    for name, what in (
        ("source", "texts, one a line"),
        ("target", "their translations"),
        ("tsv", "lines SOURCE TAB TARGET"),
    ):
        text = f"{what}; several files: a glob, or the option again"
        group.add_argument(f"--{name}", action="append", metavar="FILE", help=text)
    group.add_argument("--swap", action="store_true", help="the lines are TARGET TAB SOURCE")


def names_test_set(options: argparse.Namespace) -> bool:
    """Whether the options name a test set."""
    return any((options.source, options.target, options.tsv, options.swap))


def test_pairs(options: argparse.Namespace, run: str) -> list[Pair]:
    """The pairs of the test set that the options name, else the run's held-out pairs.

    Raises:
        ValueError: If the options do not go together, or a line is not a pair, or there is none.
    """
    from keras_attention import RunDirectory
    from training.corpora import CorpusFiles, read_corpus

    if names_test_set(options):
        if bool(options.source) != bool(options.target) or bool(options.source and options.tsv):
            raise ValueError(
                "A test set is --source with --target, or --tsv. Received: "
                f"--source {options.source}, --target {options.target}, --tsv {options.tsv}"
            )
        given: dict[str, Any] = {name: getattr(options, name) or () for name in _FILES}
        return read_corpus(CorpusFiles(**given, swap=options.swap)).pairs
    pairs = RunDirectory(run).require_complete().held_out()
    if not pairs:
        raise ValueError(f"The run {run} has no held-out pairs: name a test set.")
    return pairs


def add_search(parser: argparse.ArgumentParser) -> None:
    """The options that say how to search, where it is not as the run says."""
    parser.add_argument("--beam-width", type=int, help="1 is greedy; else as the run says")
    parser.add_argument("--length-penalty", type=float, help="of the beam; else as the run says")


def loaded(run: str) -> Translator:
    """The translator of a run, and a note where its training has not finished.

    Raises:
        FileNotFoundError: If the run is incomplete.
    """
    from keras_attention import RunDirectory, Translator

    translator = Translator.from_run(run)
    note = RunDirectory(run).unfinished()
    if note:
        print(f"note: {note}", file=sys.stderr)
    return translator


def check_attention(translator: Translator) -> None:
    """Raise `ValueError` where alignments are asked of a model without attention."""
    if translator.model.config.attention is None:
        raise ValueError("--alignments needs a model with attention. Received: attention=null")


def translator_of(options: argparse.Namespace, run: str) -> Translator:
    """The translator of a run, with the search that the options ask for.

    Raises:
        FileNotFoundError: If the run is incomplete.
        ValueError: If there can be no such search, or a length penalty is given without a beam.
    """
    from keras_attention import RunDirectory
    from keras_attention.translator import search_from

    translator = loaded(run)
    given = {"beam_width": options.beam_width, "length_penalty": options.length_penalty}
    asked = {name: value for name, value in given.items() if value is not None}
    if asked:
        search = {**RunDirectory(run).config()["search"], **asked}
        if options.length_penalty is not None and search["beam_width"] == 1:
            raise ValueError(
                "--length-penalty is for a beam: add --beam-width, of 2 or more. "
                f"Received: --length-penalty {options.length_penalty}, a beam of 1"
            )
        translator.search = search_from(**search)
    return translator
