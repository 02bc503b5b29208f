"""What programs that look at a finished run ask for alike: a test set and a search."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_attention import Translator
    from training.corpora.pairs import Pair

_FILES = ("source", "target", "tsv")
_SEARCH = ("beam_width", "length_penalty", "coverage_penalty", "min_length", "no_repeat_ngram")


def add_test_set(parser: argparse.ArgumentParser) -> None:
    """The options that name a test set; none of them stands for the run's held-out pairs."""
    group = parser.add_argument_group("test set, instead of the run's held-out pairs")
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
    from training.corpora.pairs import CorpusFiles, read_corpus

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


def count(text: str) -> int:
    """The type of an option that takes a positive number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number. Received: {text!r}")
    return int(text)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """The run, or the runs whose models decide together."""
    text = "a run directory; of several, the first says how to search, and all models decide"
    parser.add_argument("run", nargs="+", help=text)


def add_search(parser: argparse.ArgumentParser) -> None:
    """The options that say how to search, where it is not as the run says."""
    parser.add_argument("--beam-width", type=int, help="1 is greedy; else as the run says")
    parser.add_argument("--length-penalty", type=float, help="of the beam; else as the run says")
    parser.add_argument("--coverage-penalty", type=float, help="of the beam: what was read counts")
    parser.add_argument("--min-length", type=int, help="fewest tokens, the end token counted")
    parser.add_argument("--no-repeat-ngram", type=int, metavar="N", help="no N tokens twice")
    parser.add_argument(
        "--replace-unknown",
        action="store_true",
        help="an unknown token is the source token that the model looked at most",
    )


def loaded(*runs: str, replace_unknown: bool = False) -> Translator:
    """The translator of a run, or of several as an ensemble; a note where one has not finished.

    Raises:
        FileNotFoundError: If a run is incomplete.
        ValueError: If runs cannot be an ensemble, or unknown tokens cannot be replaced.
    """
    from keras_attention import RunDirectory, Translator

    translator = Translator.from_run(*runs, replace_unknown=replace_unknown)
    for run in runs:
        note = RunDirectory(run).unfinished()
        if note:
            print(f"note: {note}", file=sys.stderr)
    return translator


def check_attention(translator: Translator) -> None:
    """Raise `ValueError` where alignments are asked of a model without attention."""
    if translator.model.config.attention is None:
        raise ValueError("--alignments needs a model with attention. Received: attention=null")


def translator_of(options: argparse.Namespace, *runs: str) -> Translator:
    """The translator of runs, with the search that the options ask for.

    Raises:
        FileNotFoundError: If a run is incomplete.
        ValueError: If there can be no such search, or an option of the beam is given without one.
    """
    from keras_attention import RunDirectory
    from keras_attention.decoding import search_from

    translator = loaded(*runs, replace_unknown=options.replace_unknown)
    given = {name: getattr(options, name) for name in _SEARCH}
    asked = {name: value for name, value in given.items() if value is not None}
    if asked:
        search = {**RunDirectory(runs[0]).config()["search"], **asked}
        for name in ("length_penalty", "coverage_penalty"):
            if name in asked and search["beam_width"] == 1:
                option = f"--{name.replace('_', '-')}"
                raise ValueError(
                    f"{option} is for a beam: add --beam-width, of 2 or more. "
                    f"Received: {option} {asked[name]}, a beam of 1"
                )
        translator.search = search_from(**search)
    return translator
