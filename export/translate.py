"""Translate in bulk from an export: `python -m export.translate EXPORT < input > output`.

Runs the ONNX files of an export in ONNX Runtime, without Keras and TensorFlow; needs the packages
onnxruntime, sentencepiece and numpy.

Writes one line per input line, in order; an empty line stays empty. If a line cannot be translated,
because it is not UTF-8 text or has too many tokens, the program reports its number, writes nothing
and ends with status 2. For this it reads all lines before it translates the first: a file is read
twice, what comes through a pipe is kept in a temporary file. With `--on-problem empty`, it reports
each such line, leaves the line empty, translates the others, and ends with status 3; then lines are
written as they are translated, 10,000 at a time. In neither case is more than that in memory.

`python -m export.translate EXPORT IN OUT` translates each file of the folder IN to a file of the
same name in OUT. Hidden files and folders in IN are left out; a file whose name ends in `.gz` is
compressed, and so is its translation. Run the same command again after an interruption: finished
files are skipped (status 3 speaks of the others alone), and the result has the same bytes as
without the interruption, whatever the number of processes and threads. OUT/.translate.json notes
what made OUT; with another export, search, precision or folder IN the program ends with an error.
Each file is checked before the first is translated, unless `--on-problem empty` is given.

With `--score`, the lines are pairs, SOURCE TAB TARGET, and nothing is translated: all of the above
holds for scores. A line is LOG-PROBABILITY TAB TOKENS TAB LOG-PROBABILITY PER TOKEN of its target,
in nats and including the end token. An empty side is its end token. A line with another number of
tabs, or with too many tokens on either side, has a problem. The perplexity of all pairs that the
call has scored goes to standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.bulk.settings import (
    BATCH_TOKENS,
    PAIR_TOKENS,
    SCORE,
    SEARCHES,
    Settings,
    check_attention,
    default_search,
)
from export.layout import FLOAT32, PRECISIONS
from export.program import guarded
from programs.lines import ON_PROBLEM
from programs.tasks import processors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m export.translate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("export", metavar="EXPORT", help="the folder that the export wrote, with ONNX files")
    add("source", metavar="IN", type=Path, nargs="?", help="a folder of files with lines")
    add(
        "out",
        metavar="OUT",
        type=Path,
        nargs="?",
        help="the folder of their translations or scores",
    )
    _add_translation(parser)
    _add_output(parser)
    _add_processes(parser)
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _translate(options), failed=2, out=options.export)


def _add_translation(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how to translate").add_argument
    add("--score", action="store_true", help="score pairs SOURCE TAB TARGET instead")
    add("--search", choices=SEARCHES, help="default: the export's")
    add("--precision", choices=(FLOAT32, *PRECISIONS), default=FLOAT32, help="default: %(default)s")
    add(
        "--batch-tokens",
        type=int,
        metavar="N",
        help=f"source tokens in a batch, with padding ({BATCH_TOKENS}); of pairs those of both "
        f"sides ({PAIR_TOKENS})",
    )
    add("--provider", default="cpu", help="cpu (default), or cuda with onnxruntime-gpu")


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what to write").add_argument
    add(
        "--on-problem",
        choices=ON_PROBLEM,
        default="error",
        help="what to do with a line that cannot be translated or scored (error)",
    )
    add(
        "--n-best",
        type=int,
        metavar="N",
        help='N translations of each line as "LINE ||| TEXT ||| SCORE", LINE from 0 in each file',
    )
    add("--scores", action="store_true", help="a tab and the score after each translation")
    add(
        "--alignments",
        type=Path,
        metavar="PLACE",
        help='also word alignments as "0-0 1-2", source-target from 0, of the best translations: '
        "into a file, or into a folder where IN is one",
    )


def _add_processes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("processes").add_argument
    add("--workers", type=int, metavar="N", default=1, help="processes for the files of IN (1)")
    add("--ray", metavar="ADDRESS", help="of a Ray cluster for the files of IN; local: a new one")
    add(
        "--threads",
        type=int,
        metavar="N",
        help="batches to compute at once in each process (default: as many as processors; 1 with "
        "--workers, --ray or another provider than cpu)",
    )


def _translate(options: argparse.Namespace) -> int:
    if options.workers < 1:
        raise ValueError(
            f"--workers must be a positive number. Received: --workers {options.workers}"
        )
    _check_score(options)
    settings = _settings(options)
    if options.alignments is not None:
        check_attention(options.export)
    if options.source is None:
        from export.bulk.stream import finish_stream

        if not _is_alone(options):
            raise ValueError("--workers and --ray are for the files of IN. Received: no IN")
        return finish_stream(settings, options.alignments)
    from export.bulk.folder import finish_folder

    if options.out is None:
        raise ValueError(f"OUT must be given with IN. Received: IN {options.source}, no OUT")
    return finish_folder(
        settings, options.source, options.out, options.alignments, options.workers, options.ray
    )


def _check_score(options: argparse.Namespace) -> None:
    for name in ("search", "n_best", "scores", "alignments") if options.score else ():
        if getattr(options, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is for translating. Received: {option} with --score")


def _settings(options: argparse.Namespace) -> Settings:
    is_parallel = _is_alone(options) and options.provider == "cpu"
    threads = processors() if is_parallel else 1
    tokens = PAIR_TOKENS if options.score else BATCH_TOKENS
    return Settings(
        export=options.export,
        function=SCORE if options.score else options.search or default_search(options.export),
        precision=options.precision,
        provider=options.provider,
        batch_tokens=tokens if options.batch_tokens is None else options.batch_tokens,
        threads=threads if options.threads is None else options.threads,
        on_problem=options.on_problem,
        n_best=options.n_best,
        scores=options.scores,
    )


def _is_alone(options: argparse.Namespace) -> bool:
    return options.workers == 1 and options.ray is None


if __name__ == "__main__":
    sys.exit(main())
