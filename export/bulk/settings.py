"""What makes the output: an export, one of its functions, and what is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.files import checksum
from export.layout import with_precision
from programs.library import stored

SEARCHES = ("greedy", "beam")
SCORE = "score"
BATCH_TOKENS = 512
"""Source tokens in a batch, with padding: large batches wait for their longest translation, and
their steps are no cheaper per line on a CPU. 256 to 512 were the fastest on Multi30k."""
PAIR_TOKENS = 1024
"""Tokens of both sides of the pairs in a batch, with padding: either side's tokens are steps of a
loop, and here both lengths are known beforehand. On Multi30k, float32 took a sixth less time of the
processor than with 512, int8 a little more; with 2,048, a quarter less and a tenth more."""
LINES = 10_000
"""Lines that are read, sorted by length, and done before the first of them is written."""
_NOT_OF_THE_OUTPUT = ("export", "on_problem", "threads")


@dataclass(frozen=True)
class Settings:
    """What makes the output; every process gets it as it is.

    Attributes:
        export: The folder of the export.
        function: `"greedy"` or `"beam"`, which translate, or `"score"`.
        precision: That of the weights, such as `"int8"`.
        provider: What computes, such as `"cpu"`.
        batch_tokens: The maximum number of tokens in a batch, with padding: source tokens, and of
            pairs also target tokens.
        threads: The number of batches to compute at once.
        on_problem: `"error"` or `"empty"`: what to do with a line that has a problem.
        n_best: The number of translations to write of each line, or None for the best text alone.
        scores: Whether to write the score beside the text.
    """

    export: str
    function: str
    precision: str = "float32"
    provider: str = "cpu"
    batch_tokens: int = BATCH_TOKENS
    threads: int = 1
    on_problem: str = "error"
    n_best: int | None = None
    scores: bool = False

    def __post_init__(self) -> None:
        self._check_file()
        for name in ("batch_tokens", "threads"):
            value = getattr(self, name)
            if value < 1:
                option = f"--{name.replace('_', '-')}"
                raise ValueError(f"{option} must be a positive number. Received: {option} {value}")
        width = stored().read_export(self.export).beam.beam_width if self.function == "beam" else 1
        if self.n_best is not None and not 1 <= self.n_best <= width:
            raise ValueError(
                "--n-best must be at least 1 and at most the beam width of the export. "
                f"Received: --n-best {self.n_best}, a beam width of {width}"
            )
        if self.n_best is not None and self.scores:
            raise ValueError("--n-best writes scores anyway. Received: --n-best with --scores")

    @property
    def file(self) -> Path:
        """The file of the function."""
        return Path(self.export, "onnx", with_precision(f"{self.function}.onnx", self.precision))

    def made_by(self) -> dict[str, Any]:
        """Return all that the output depends on, by name.

        The number of threads and processes is left out, as each batch is computed by one thread;
        and so is what happens to lines with problems, which either end the program or are empty.
        """
        from onnxruntime import __version__ as onnxruntime

        files = (self.file, *(Path(self.export, f"{side}.model") for side in ("source", "target")))
        options = {k: v for k, v in asdict(self).items() if k not in _NOT_OF_THE_OUTPUT}
        config = stored().read_export(self.export)
        return {
            **options,
            "max_source_length": config.max_source_length,
            "max_target_length": config.max_target_length,
            "lines": LINES,
            "onnxruntime": onnxruntime,
            **{f"sha256 of {file.name}": checksum(file) for file in files},
        }

    def _check_file(self) -> None:
        if self.file.is_file():
            return
        is_score = self.function == SCORE
        functions = (SCORE,) if is_score else SEARCHES
        names = sorted(
            file.name for name in functions for file in self.file.parent.glob(f"{name}*.onnx")
        )
        advice = ""
        if is_score and not names:
            advice = "Export the run again, as earlier versions wrote none: python -m export. "
        received = "--score" if is_score else f"--search {self.function}"
        raise FileNotFoundError(
            f"This export has no {self.file.name}. Available: {', '.join(names) or 'none'}. "
            f"{advice}Received: {received}, --precision {self.precision}"
        )


def default_search(export: str | Path) -> str:
    """Return the search of an export: that of the functions on strings."""
    return SEARCHES[stored().read_export(export).search.beam_width > 1]


def check_attention(export: str | Path) -> None:
    """Raise `ValueError` if the model of an export has no attention."""
    if stored().read_export(export).model.attention is None:
        raise ValueError("--alignments requires a model with attention. Received: attention=null")
