"""What makes the translations: an export, one of its searches, and what is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.files import checksum
from export.layout import with_precision
from programs.library import stored

SEARCHES = ("greedy", "beam")
BATCH_TOKENS = 512
"""Source tokens in a batch, with padding: large batches wait for their longest translation, and
their steps are no cheaper per line on a CPU. 256 to 512 were the fastest on Multi30k."""
LINES = 10_000
"""Lines that are read, sorted by length, and translated before the first of them is written."""
_NOT_OF_THE_OUTPUT = ("export", "on_problem", "threads")


@dataclass(frozen=True)
class Settings:
    """What makes the translations; every process gets it as it is.

    Attributes:
        export: The folder of the export.
        search: `"greedy"` or `"beam"`.
        precision: That of the weights, such as `"int8"`.
        provider: What computes, such as `"cpu"`.
        batch_tokens: The maximum number of source tokens in a batch, with padding.
        threads: The number of batches to translate at once.
        on_problem: `"error"` or `"empty"`: what to do with a line that cannot be translated.
        n_best: The number of translations to write of each line, or None for the best text alone.
        scores: Whether to write the score beside the text.
    """

    export: str
    search: str
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
        width = stored().read_export(self.export).beam.beam_width if self.search == "beam" else 1
        if self.n_best is not None and not 1 <= self.n_best <= width:
            raise ValueError(
                "--n-best must be at least 1 and at most the beam width of the export. "
                f"Received: --n-best {self.n_best}, a beam width of {width}"
            )
        if self.n_best is not None and self.scores:
            raise ValueError("--n-best writes scores anyway. Received: --n-best with --scores")

    @property
    def file(self) -> Path:
        """The file of the search."""
        return Path(self.export, "onnx", with_precision(f"{self.search}.onnx", self.precision))

    def made_by(self) -> dict[str, Any]:
        """Return all that the output depends on, by name.

        The number of threads and processes is left out, as each batch is translated by one thread;
        and so is what happens to lines with problems, which either end the program or are empty.
        """
        from onnxruntime import __version__ as onnxruntime

        files = (self.file, *(Path(self.export, f"{side}.model") for side in ("source", "target")))
        options = {k: v for k, v in asdict(self).items() if k not in _NOT_OF_THE_OUTPUT}
        return {
            **options,
            "max_source_length": stored().read_export(self.export).max_source_length,
            "lines": LINES,
            "onnxruntime": onnxruntime,
            **{f"sha256 of {file.name}": checksum(file) for file in files},
        }

    def _check_file(self) -> None:
        if self.file.is_file():
            return
        names = sorted(
            file.name for search in SEARCHES for file in self.file.parent.glob(f"{search}*.onnx")
        )
        raise FileNotFoundError(
            f"This export has no {self.file.name}. Available: {', '.join(names) or 'none'}. "
            f"Received: --search {self.search}, --precision {self.precision}"
        )


def default_search(export: str | Path) -> str:
    """Return the search of an export: that of the functions on strings."""
    return SEARCHES[stored().read_export(export).search.beam_width > 1]


def check_attention(export: str | Path) -> None:
    """Raise `ValueError` if the model of an export has no attention."""
    if stored().read_export(export).model.attention is None:
        raise ValueError("--alignments requires a model with attention. Received: attention=null")
