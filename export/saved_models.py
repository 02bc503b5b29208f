"""Export SavedModels in the layout of TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path

from keras_attention.export.saved_model import save
from keras_attention.export.serving import ID_SIGNATURES, TEXT_SIGNATURES, ServingModule


def export_saved_models(serving: ServingModule, out: Path, name: str) -> list[Path]:
    """Write `NAME/1`, which takes and returns strings, and `NAME-ids/1`, which does so with ids.

    Both accept any batch size and source length. To load the first, the ops of `tensorflow_text`
    are needed; the second needs TensorFlow only.

    Args:
        serving: The serving module, with tokenizers.
        out: The folder for both.
        name: The name of the model.

    Returns:
        The folders of the two versions.

    Raises:
        RuntimeError: If a SavedModel does not contain each weight exactly once.
    """
    text = save(serving, out / name / "1", TEXT_SIGNATURES, default="translate")
    ids = save(serving, out / f"{name}-ids" / "1", (*ID_SIGNATURES, "search"), default="greedy")
    return [text, ids]
