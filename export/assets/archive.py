"""The archive at the end of a TFLite file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def attach(path: Path, files: Mapping[str, bytes]) -> None:
    """Append files as a zip archive, so that a single file contains the model and its data.

    TFLite runtimes read a file from the start; readers of zip archives read it from the end.

    Args:
        path: The `.tflite` file.
        files: The names and contents of the files.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
