"""Parts of the library without Keras."""

from __future__ import annotations

import subprocess
import sys

import pytest

from programs.library import without_keras


def test_no_keras_is_imported() -> None:
    program = (
        "import sys; from programs.library import without_keras; "
        "lines = without_keras('text/lines'); without_keras('stored'); without_keras('files'); "
        "assert list(lines.raw_lines([b'a\\r\\n'], 'x')) == [b'a']; "
        "assert not {'keras', 'keras_attention', 'numpy', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_module_is_loaded_once() -> None:
    assert without_keras("files") is without_keras("files")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        without_keras("nothing")
