"""Read what a run or an export stores, before slow imports."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def stored() -> ModuleType:
    """Return `keras_attention.stored`, loaded by its path: importing the package imports Keras."""
    name = "keras_attention_stored"  # another module than the library's, with its own classes
    if name not in sys.modules:
        package = find_spec("keras_attention")
        if package is None or not package.submodule_search_locations:
            raise ModuleNotFoundError("No module named 'keras_attention'")
        path = Path(package.submodule_search_locations[0]) / "stored" / "__init__.py"
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
