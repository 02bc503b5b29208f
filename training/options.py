"""Command-line options common to the programs that read a run: test set and search."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_attention import Translator
    from training.corpora.pairs import Pair
    from training.recipes.config import TrainConfig

_FILES = ("source", "target", "tsv")
_SEARCH = ("beam_width", "length_penalty", "coverage_penalty", "min_length", "no_repeat_ngram")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the options for a configuration: a recipe, what overrides it, and where its files are."""
    parser.add_argument(
        "--recipe", required=True, help="a name in training/recipes, or a YAML file"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="the folder with corpora that are not in the current directory (default: the "
        "environment variable KERAS_ATTENTION_DATA, else data/)",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for example training.batch_size=32"
    )


def config_of(options: argparse.Namespace) -> TrainConfig:
    """Load the configuration that the options of `add_recipe` describe.

    Raises:
        ConfigError: If the recipe, a key or the folder is unknown, or a value is invalid.
    """
    from training.corpora.files import use_data_folder
    from training.recipes.reading import load_config

    if options.data is not None:
        use_data_folder(options.data)
    return load_config(options.recipe, options.overrides)


def add_test_set(parser: argparse.ArgumentParser) -> None:
    """Add the options for a test set; it defaults to the run's held-out pairs."""
    group = parser.add_argument_group("test set, instead of the run's held-out pairs")
    group.add_argument(
        "--part",
        choices=("held_out", "dev"),
        default="held_out",
        help="dev: the pairs that the run was validated on, read from the corpus again",
    )
    group.add_argument("--data", metavar="DIR", help="with --part dev: the folder with corpora")
    for name, what in (
        ("source", "source texts, one per line"),
        ("target", "their translations"),
        ("tsv", "lines SOURCE TAB TARGET"),
    ):
        text = f"{what}; for several files, use a glob or repeat the option"
        group.add_argument(f"--{name}", action="append", metavar="FILE", help=text)
    group.add_argument("--swap", action="store_true", help="the lines are TARGET TAB SOURCE")
    group.add_argument(
        "--columns",
        nargs=2,
        type=int,
        metavar=("SOURCE", "TARGET"),
        help="the two columns of --tsv to use, from 0; needed if there are more",
    )


def names_test_set(options: argparse.Namespace) -> bool:
    """Return whether the options name a test set other than the run's held-out pairs."""
    return options.part == "dev" or any(_files(options))


def _files(options: argparse.Namespace) -> tuple[object, ...]:
    return (options.source, options.target, options.tsv, options.swap, options.columns)


def test_pairs(options: argparse.Namespace, run: str) -> list[Pair]:
    """Return the pairs of the test set given by the options, or else the run's held-out pairs.

    Raises:
        ValueError: If the options conflict, a line is not a pair, or there are no pairs.
    """
    from keras_attention import RunDirectory
    from training.corpora.pairs import CorpusFiles, read_corpus

    if any(_files(options)):
        if options.part == "dev":
            raise ValueError("--part dev and files of a test set exclude each other.")
        if bool(options.source) != bool(options.target) or bool(options.source and options.tsv):
            raise ValueError(
                "A test set must be --source with --target, or --tsv. Received: "
                f"--source {options.source}, --target {options.target}, --tsv {options.tsv}"
            )
        given: dict[str, Any] = {name: getattr(options, name) or () for name in _FILES}
        columns = options.columns and tuple(options.columns)
        files = CorpusFiles(**given, swap=options.swap, columns=columns)
        return read_corpus(files, columns="--columns 0 1").pairs
    if options.part == "dev":
        return _validation_pairs(run, options.data)
    pairs = RunDirectory(run).require_complete().held_out()
    if not pairs:
        raise ValueError(f"The run {run} has no held-out pairs. Specify a test set.")
    return pairs


def _validation_pairs(run: str, data: str | None) -> list[Pair]:
    """Return the pairs that a run was validated on."""
    from keras_attention import RunDirectory
    from training.corpora.files import use_data_folder
    from training.fitting.start import check_data, fingerprint
    from training.fitting.tasks import task_of
    from training.recipes.reading import config_from

    if data is not None:
        use_data_folder(data)
    directory = RunDirectory(run).require_complete()
    with redirect_stdout(sys.stderr):
        task = task_of(config_from(directory.config()).data)
    check_data(directory, fingerprint(task))
    return task.validation_pairs()


def same_pairs(options: argparse.Namespace, runs: Sequence[str]) -> list[Pair]:
    """Return the pairs to compare runs on.

    Raises:
        ValueError: If the runs hold out different pairs.
    """
    if any(_files(options)):
        return test_pairs(options, "")
    if not runs:
        raise ValueError("Files of outputs need a test set: --source and --target, or --tsv.")
    first = test_pairs(options, runs[0])
    for run in runs[1:]:
        if test_pairs(options, run) != first:
            raise ValueError(
                "Runs can only be compared on pairs that none of them was trained on, but these "
                "hold out different pairs. Train them on the same files with the same data.seed, "
                f"or specify a test set. Received: {runs[0]}, {run}"
            )
    return first


def count(text: str) -> int:
    """Parse the value of an option that takes a positive number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number. Received: {text!r}")
    return int(text)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the run, or several runs that form an ensemble."""
    text = "a run directory; several form an ensemble, which uses the search of the first"
    parser.add_argument("run", nargs="+", help=text)


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the options of the search; they default to those of the run."""
    parser.add_argument("--beam-width", type=int, help="1 for greedy search (default: the run's)")
    parser.add_argument("--length-penalty", type=float, help="for a beam (default: the run's)")
    parser.add_argument("--coverage-penalty", type=float, help="for a beam (default: 0)")
    parser.add_argument(
        "--min-length", type=int, help="minimum number of tokens, including the end token"
    )
    parser.add_argument(
        "--no-repeat-ngram", type=int, metavar="N", help="do not repeat any N tokens"
    )
    parser.add_argument(
        "--replace-unknown",
        action="store_true",
        help="replace an unknown token by the source token with the largest attention weight",
    )


def loaded(*runs: str, replace_unknown: bool = False) -> Translator:
    """Load the translator of one or more runs; print a note if a run is unfinished.

    Raises:
        FileNotFoundError: If a run is incomplete.
        ValueError: If the runs cannot form an ensemble, or unknown tokens cannot be replaced.
    """
    from keras_attention import RunDirectory, Translator

    translator = Translator.from_run(*runs, replace_unknown=replace_unknown)
    for run in runs:
        note = RunDirectory(run).unfinished()
        if note:
            print(f"note: {note}", file=sys.stderr)
    return translator


def check_attention(translator: Translator) -> None:
    """Raise `ValueError` if the model has no attention."""
    if not translator.model.has_attention:
        raise ValueError("--alignments requires a model with attention. Received: attention=null")


def translator_of(options: argparse.Namespace, *runs: str) -> Translator:
    """Load the translator of one or more runs, with the search given by the options.

    Raises:
        FileNotFoundError: If a run is incomplete.
        ValueError: If the search is invalid, or an option for a beam is given without one.
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
                    f"{option} requires a beam: set --beam-width to 2 or more. "
                    f"Received: {option} {asked[name]}, a beam width of 1"
                )
        translator.search = search_from(**search)
    return translator
