"""Modules of the library that need no Keras, loaded without it."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def without_keras(name: str) -> Any:
    """Return a module or folder of `keras_attention`, loaded by its path.

    Importing it by its name would import the package, and so Keras, which takes seconds. It is
    another module than the library's, with classes of its own.

    Args:
        name: Its place in the package, such as `"stored"` or `"text/lines"`; it must import the
            standard library alone.

    Raises:
        ModuleNotFoundError: If the library is not installed.
    """
    module_name = f"keras_attention_{name.replace('/', '_')}"
    if module_name not in sys.modules:
        package = find_spec("keras_attention")
        if package is None or not package.submodule_search_locations:
            raise ModuleNotFoundError("No module named 'keras_attention'")
        place = Path(package.submodule_search_locations[0], name)
        path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        spec = spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[module_name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module_name])
    return sys.modules[module_name]


def stored() -> Any:
    """Return `keras_attention.stored`; see `without_keras`."""
    return without_keras("stored")
