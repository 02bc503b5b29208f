"""Compare pooling by attention, mean and last state: `python -m training.classify --data DIR`.

An example of attention without a decoder. Three classifiers read the German description of an
image, character by character, and predict the colour that its English original names. They differ
only in how they pool the encoded characters into one vector. Prints the accuracy of each classifier
on unseen descriptions, and can draw the attention weights.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.pictures.heat_maps import FORMATS
from training.program import ConfigError, guarded

if TYPE_CHECKING:
    from training.classification.classifier import Answer, ClassifierConfig
    from training.corpora.colours import Labelled


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.classify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="the folder that contains multi30k/ (default: the environment variable "
        "KERAS_ATTENTION_DATA, else data/)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .png, .svg or .pdf picture")
    parser.add_argument("--epochs", type=int, default=5, help="number of epochs (5)")
    parser.add_argument("--units", type=int, default=64, help="units of each layer (64)")
    parser.add_argument("--seed", type=int, default=1, help="seed for weights and batches (1)")
    options = parser.parse_args(arguments)
    return guarded(lambda: _classify(options), OSError, ValueError)


def _classify(options: argparse.Namespace) -> int:
    for name in ("epochs", "units"):
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name} must be positive. Received: {getattr(options, name)}")
    if options.out is not None and options.out.suffix not in FORMATS:
        raise ConfigError(f"--out must end in one of {', '.join(FORMATS)}. Received: {options.out}")

    from training.corpora.colours import colours
    from training.corpora.files import use_data_folder

    if options.data is not None:
        use_data_folder(options.data)
    examples, unseen = colours("train"), colours("test_*")

    from training.classification.classifier import ClassifierConfig

    answers = compare(
        examples,
        unseen,
        ClassifierConfig(
            encoder_units=options.units,
            attention_units=options.units,
            epochs=options.epochs,
            seed=options.seed,
        ),
    )
    _tell_where(unseen, answers)
    if options.out is not None:
        _draw(unseen, answers, options.out)
    return 0


def compare(
    examples: Sequence[Labelled], unseen: Sequence[Labelled], config: ClassifierConfig
) -> list[Answer]:
    """Train a classifier with each kind of pooling, and print a table of results.

    Args:
        examples: The training examples.
        unseen: The test examples.
        config: The sizes and training settings.

    Returns:
        The answers, with weights, of the classifier that pools by attention.
    """
    from training.classification.classifier import POOLINGS, Alphabets, classify, train

    alphabets = Alphabets.of(examples)
    print(f"{len(examples):,} training texts, {len(unseen):,} test texts, ", end="")
    print(f"{len(alphabets.labels)} labels.\n\n| pooling | accuracy | seconds |\n|---|---|---|")
    found: dict[str, list[Answer]] = {}
    for pooling in POOLINGS:
        began = time.perf_counter()
        model = train(pooling, examples, alphabets, config)
        seconds = time.perf_counter() - began
        found[pooling] = classify(model, [text for text, _ in unseen], alphabets)
        right = [a.label == x.label for a, x in zip(found[pooling], unseen, strict=True)]
        accuracy = sum(right) / len(right)
        print(f"| {pooling} | {100 * accuracy:.1f} % | {seconds:.0f} |", flush=True)
    return found["attention"]


def _tell_where(unseen: Sequence[Labelled], answers: Sequence[Answer]) -> None:
    """Print the share of attention on the word that names the colour.

    The characters next to the word count as well; there, one direction of the LSTM has just read
    the word.
    """
    import numpy as np

    from training.corpora.colours import word_of

    shares = [
        float(np.sum(answer.weights[max(word.start - 1, 0) : word.stop + 1]))
        for answer, word in zip(answers, map(word_of, unseen), strict=True)
        if word is not None and answer.weights is not None
    ]
    if shares:
        print(f"\n{len(shares):,} texts name their colour in one word: ", end="")
        print(f"{100 * np.mean(shares):.1f} % of the attention is on it or next to it.")


def _draw(unseen: Sequence[Labelled], answers: Sequence[Answer], out: Path) -> None:
    from keras_attention.files import replacing
    from training.classification.picture import rows, to_show

    places = to_show(unseen)
    if not places:
        raise ConfigError("No text is short enough to draw.")
    with replacing(out) as fresh:
        rows([unseen[i] for i in places], [answers[i] for i in places]).savefig(fresh, dpi=150)
    print(f"Wrote {out}")


if __name__ == "__main__":
    sys.exit(main())
