"""A run directory: what training leaves, and all that the other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_attention.model.seq2seq import Seq2Seq
    from keras_attention.text.tokenizer import SentencePieceTokenizer


class RunDirectory:
    """The files of a run, by name.

    Args:
        path: The directory; need not exist.

    Attributes:
        config_file: `config.yaml`, everything about the run, resolved.
        source_model, target_model: The tokenizers, `source.model` and `target.model`.
        model_file: `model.keras`, the best on the validation pairs.
        held_out_file: `held_out.tsv`, pairs that training never saw: source TAB target.
        dropped_file: `dropped.txt`, where lines of a corpus were dropped: which, and why.
        checkpoints: What an interrupted training resumes from.
        state_file: Where the training stands, in `checkpoints`.
        metrics_file: `metrics.jsonl`, a line for each epoch.
        logs: TensorBoard's files.
        environment_file: `environment.json`, versions, seed and commit.
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
        """This directory, if it holds all that a finished run needs.

        Raises:
            FileNotFoundError: If the directory or some of its files are missing.
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
                "for its training's first validation; the command that began it resumes it."
            )
        return self

    def unfinished(self) -> str | None:
        """A line that says how far the training is, if it has not come to its end."""
        if not self.state_file.exists():  # only the results were copied here
            return None
        state = json.loads(self.state_file.read_text(encoding="utf-8"))
        if state["is_finished"]:
            return None
        return (
            f"The training of {self.path} has not finished: this is the best model after "
            f"{state['epoch']} of its epochs. The command that began it resumes it."
        )

    def config(self) -> dict[str, Any]:
        """What `config.yaml` says."""
        import yaml

        try:
            content = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.config_file} is not YAML: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(
                f"{self.config_file} must be a mapping. Received: {type(content).__name__}"
            )
        missing = [name for name in ("name", "data", "search") if name not in content]
        if missing:
            raise ValueError(f"{self.config_file} lacks the keys {', '.join(missing)}.")
        return content

    def tokenizers(self) -> tuple[SentencePieceTokenizer, SentencePieceTokenizer]:
        """The source's and the target's tokenizer."""
        from keras_attention.text.tokenizer import SentencePieceTokenizer

        def load(file: Path) -> SentencePieceTokenizer:
            try:
                return SentencePieceTokenizer.from_file(file)
            except ValueError as error:
                raise ValueError(f"{file} is not a tokenizer of this package: {error}") from error

        return load(self.source_model), load(self.target_model)

    def model(self) -> Seq2Seq:
        """The trained model, in float32 whatever it was trained in."""
        import keras

        from keras_attention.model.seq2seq import Seq2Seq

        try:
            model = keras.saving.load_model(self.model_file, compile=False)
        except (OSError, ValueError) as error:
            size = self.model_file.stat().st_size
            raise ValueError(
                f"{self.model_file} ({size} bytes) is not a model that can be loaded: {error}"
            ) from error
        if not isinstance(model, Seq2Seq):
            raise ValueError(f"{self.model_file} must hold a Seq2Seq. Received: {type(model)}")
        if model.policy.name == "float32":
            return model
        exact = Seq2Seq(model.config, dtype="float32")
        exact.set_weights(model.get_weights())
        return exact

    def held_out(self) -> list[tuple[str, str]]:
        """Pairs of source and target that training never saw."""
        # Only "\n" ends a line: sources may hold what else Python takes for a line's end.
        lines = self.held_out_file.read_bytes().decode("utf-8").split("\n")
        return [(line.split("\t")[0], line.split("\t")[1]) for line in lines if line]
