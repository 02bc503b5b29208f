"""The run directory: training writes it, and all other programs read it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_attention.stored import Progress, RunConfig, read_stored

if TYPE_CHECKING:
    from keras_attention.model.seq2seq import Seq2Seq
    from keras_attention.text.tokenizer import SentencePieceTokenizer


class RunDirectory:
    r"""The paths and contents of a run's files.

    Args:
        path: The directory; it need not exist.

    Attributes:
        config_file: `config.yaml`, the complete, resolved configuration of the run.
        source_model, target_model: The tokenizers, `source.model` and `target.model`.
        model_file: `model.keras`, the best model on the validation pairs.
        held_out_file: `held_out.tsv`, pairs that training never saw: source TAB target.
        dropped_file: `dropped.txt`, the dropped corpus lines and why, if any.
        checkpoints: Directory from which an interrupted training resumes.
        state_file: The progress of the training, in `checkpoints`.
        metrics_file: `metrics.jsonl`, one line per epoch.
        logs: Directory of TensorBoard's files.
        environment_file: `environment.json`, versions, seed and commit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import keras_attention as ka
        >>> with TemporaryDirectory() as path:
        ...     run = ka.RunDirectory(path)
        ...     _ = run.held_out_file.write_text("ein Haus\ta house\n", encoding="utf-8")
        ...     run.held_out_file.name, run.held_out(), run.model_file.exists()
        ('held_out.tsv', [('ein Haus', 'a house')], False)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.source_model = self.path / "source.model"
        self.target_model = self.path / "target.model"
        self.model_file = self.path / "model.keras"
        self.held_out_file = self.path / "held_out.tsv"
        self.dropped_file = self.path / "dropped.txt"
        self.checkpoints = self.path / "checkpoints"
        self.state_file = self.checkpoints / "state.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.logs = self.path / "logs"
        self.environment_file = self.path / "environment.json"

    def require_complete(self) -> RunDirectory:
        """Return this directory, after checking that it has all files of a finished run.

        Raises:
            FileNotFoundError: If the directory or one of its files is missing.
        """
        if not self.path.is_dir():
            raise FileNotFoundError(
                f"There is no run directory {self.path}. "
                "Train first: python -m training.train --recipe NAME --out RUN"
            )
        files = (self.config_file, self.source_model, self.target_model, self.model_file)
        missing = [file.name for file in (*files, self.held_out_file) if not file.exists()]
        if len(missing) > 1 and (self.path / "config.json").exists():
            raise FileNotFoundError(f"{self.path} is an export, not a run directory.")
        if missing:
            raise FileNotFoundError(
                f"The run directory {self.path} is incomplete: {', '.join(missing)} missing. Wait "
                "for the first validation; to resume the training, repeat its command."
            )
        return self

    def unfinished(self) -> str | None:
        """A message on the progress of the training, or None if it has finished."""
        if not self.state_file.exists():  # the results were copied without the checkpoints
            return None
        state = read_stored(self.state_file, Progress)
        if state.is_finished:
            return None
        return (
            f"The training of {self.path} has not finished: this is the best model up to "
            f"epoch {state.epoch}. To resume the training, repeat its command."
        )

    def config(self) -> dict[str, Any]:
        """The contents of `config.yaml`, complete.

        Raises:
            StoredError: If it is not as training writes it; see `keras_attention.stored`.
        """
        return asdict(read_stored(self.config_file, RunConfig))

    def tokenizers(self) -> tuple[SentencePieceTokenizer, SentencePieceTokenizer]:
        """The source and target tokenizers."""
        from keras_attention.text.tokenizer import SentencePieceTokenizer

        def load(file: Path) -> SentencePieceTokenizer:
            try:
                return SentencePieceTokenizer.from_file(file)
            except ValueError as error:
                raise ValueError(f"{file} is not a tokenizer of this package: {error}") from error

        return load(self.source_model), load(self.target_model)

    def model(self) -> Seq2Seq:
        """The trained model, in float32 whatever its dtype in training.

        Raises:
            ValueError: If the file is damaged, or names classes that no run needs, whatever
                `keras.config.enable_unsafe_deserialization` says.
        """
        from keras_attention.model.seq2seq import Seq2Seq
        from keras_attention.text.archives import load_run_model

        model = load_run_model(self.model_file, compile=False)
        if not isinstance(model, Seq2Seq):
            raise ValueError(f"{self.model_file} must hold a Seq2Seq. Received: {type(model)}")
        if model.policy.name == "float32":
            return model
        exact = Seq2Seq(model.config, dtype="float32")
        exact.set_weights(model.get_weights())
        return exact

    def held_out(self) -> list[tuple[str, str]]:
        """Pairs (source, target) that training never saw.

        Raises:
            ValueError: If the file is not as training writes it.
        """
        # Only "\n" ends a line: sources may contain other characters that `splitlines` splits at.
        rows = enumerate(self.held_out_file.read_bytes().split(b"\n"), start=1)
        return [self._pair(number, row) for number, row in rows if row]

    def _pair(self, number: int, row: bytes) -> tuple[str, str]:
        try:
            source, target, *_ = row.decode("utf-8").split("\t")
        except ValueError as error:
            raise ValueError(
                f"{self.held_out_file}, line {number} must be a source, a tab and a target in "
                f"UTF-8. Received: {row[:40]!r}"
            ) from error
        return source, target
