"""The package as users get it: the wheel, the import, the public names, the import directions."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import keras_attention as ka
from tests.documents import OWN_MODELS, assert_same_figures, blocks
from tests.public import NAMESPACES, PUBLIC

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "keras_attention"
MODULES = sorted(LIBRARY.rglob("*.py"))
CONVERTERS = {"ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"}
LAZY = {"sentencepiece", "tensorflow", "tensorflow_text"}
WITHOUT_EXAMPLE = {
    "advice.Advice",
    "alignments.Alignment",
    "attention.Attention",
    "attention.AttentionLayer",
    "attention.Memory",
    "attention.Past",
    "decoding.Hypotheses",
    "decoding.TargetScores",
    "decoding.Written",
    "export.Difference",
    "schedules.Schedule",
    "text.ScoredPair",
    "text.Translation",
}
"""Base classes, and types that functions return."""
PROGRAMS = {"babel", "export", "matplotlib", "pydantic", "training"}


def run(*command: str, cwd: Path = ROOT, backend: str = "tensorflow") -> str:
    env = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def modules_beyond_keras(backend: str) -> set[str]:
    code = """
import sys, keras
before = set(sys.modules)
import keras_attention
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    return set(run(sys.executable, "-c", code, backend=backend).split())


def imported_at_once(path: Path) -> set[str]:
    """Dotted names that a module imports at import time."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    plain = [node for node in body if isinstance(node, ast.Import)]
    from_ = [node for node in body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in plain for alias in node.names} | {
        f"{node.module}.{alias.name}" for node in from_ for alias in node.names
    }


def is_documented(value: object) -> bool:
    """Whether it has its own docstring; type aliases do not."""
    return inspect.isclass(value) or inspect.isfunction(value)


def is_public(name: str, value: object) -> bool:
    return not name.startswith("_") and is_documented(value)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    )
    run(*build, "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="session")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment, with the wheel and its extras for exports."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(str(python), "-m", "pip", "install", "--quiet", f"{wheel}[tflite,onnx,saved-model]")
    return python


@pytest.mark.thorough
@pytest.mark.parametrize("page", OWN_MODELS)
def test_a_guide_runs_in_an_empty_environment(elsewhere: Path, page: str, tmp_path: Path) -> None:
    code = "\n".join(blocks(f"docs/guides/{page}.md", "python"))
    (tmp_path / "guide.py").write_text(code, encoding="utf-8")
    printed = run(str(elsewhere), "-I", "guide.py", cwd=tmp_path)
    *_, told = blocks(f"docs/guides/{page}.md", "text")
    assert_same_figures(printed, told)


def test_wheel_ships_the_library_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"keras_seq2seq_attention-{ka.__version__}.dist-info/"
    page = list((LIBRARY / "export" / "browser" / "page").iterdir())
    expected = {path.relative_to(ROOT).as_posix() for path in (*MODULES, *page)}
    assert len(page) == 5
    assert {name for name in names if not name.startswith(info)} == expected | {
        "keras_attention/py.typed"
    }
    assert info + "licenses/LICENSE" in names


def test_wheel_needs_keras_and_numpy_only(metadata: Message) -> None:
    assert metadata["Name"] == "keras-seq2seq-attention"
    assert metadata["Version"] == ka.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist") or []
    assert sorted(line for line in required if "extra ==" not in line) == [
        "keras>=3.7",
        "numpy>=1.26; python_version < '3.13'",
        "numpy>=2.1; python_version >= '3.13'",
    ]
    extras = "gpu hosts jax onnx saved-model tensorflow test text tflite torch training"
    assert sorted(metadata.get_all("Provides-Extra") or []) == extras.split()


def allowed(*extras: str, python: str) -> dict[str, str]:
    """The lower bounds of what the package and its extras require, on a version of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for extra in extras for line in project["optional-dependencies"][extra]]
    requirements = [Requirement(line) for line in [*project["dependencies"], *lines]]
    return {
        one.name: str(one.specifier).removeprefix(">=")
        for one in requirements
        if one.marker is None or one.marker.evaluate({"python_version": python})
    }


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_oldest_versions_tested_are_the_oldest_allowed(python: str) -> None:
    text = (ROOT / "tests" / "oldest" / "constraints.txt").read_text(encoding="utf-8")
    tested = dict(line.split("==") for line in text.splitlines() if "==" in line)
    minimum = allowed("tensorflow", "jax", python=python)
    assert set(minimum) == {"jax", "keras", "numpy", "tensorflow"}
    for name, version in minimum.items():
        assert f"{tested[name]}.".startswith(f"{version}."), name


@pytest.mark.parametrize("extra", ["text", "tflite", "onnx"])
def test_programs_do_not_inherit_the_oldest_versions(extra: str) -> None:
    named = allowed(extra, python="3.13")
    assert (named["keras"], named["tensorflow"]) == ("3.15", "2.21")


def test_wheel_works_away_from_the_repository_and_leaves_the_devices_alone(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    # TensorFlow refuses the setting with a RuntimeError once an import has touched a device.
    code = """
import keras_attention as ka, numpy as np, tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(1)
print(ka.__file__)
print(float(ka.scores.dot(np.array([[[0.91, 0.38]]]), np.array([[[-0.76, 0.75]]]))[0, 0, 0]))
"""
    file, score = run(sys.executable, "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(tmp_path)
    assert float(score) == pytest.approx(-0.4066, abs=1e-6)


def test_import_brings_no_converter_and_no_program() -> None:
    new = modules_beyond_keras("tensorflow")
    assert "keras_attention" in new
    assert new & (CONVERTERS | PROGRAMS | {"sentencepiece", "tensorflow_text"}) == set()


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_import_on_another_backend_brings_no_tensorflow() -> None:
    new = modules_beyond_keras("jax")
    assert new & (CONVERTERS | PROGRAMS | LAZY) == set()


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_tensorflow_is_imported_lazily(path: Path) -> None:
    if path.parent == LIBRARY / "backend" and path.name.startswith("tensorflow"):
        return  # imported inside functions only, as the others show
    if path.is_relative_to(LIBRARY / "export" / "runtimes"):
        return  # programs, which nobody imports
    if path.parent == LIBRARY / "export" / "onnx":
        return  # imported inside functions only; what brings the package alone is tested above
    names = imported_at_once(path)
    assert not [name for name in names if name.startswith("keras_attention.backend.tensorflow")]
    assert {name.partition(".")[0] for name in names} & (LAZY | CONVERTERS) == set()


def test_the_package_has_namespaces_and_what_most_programs_begin_with() -> None:
    assert len(ka.__all__) == len(set(ka.__all__)) <= 33
    assert {name for name in vars(ka) if is_public(name, vars(ka)[name])} == set(ka.__all__) - set(
        NAMESPACES
    )
    of_namespaces = list(PUBLIC.values())
    short = set(ka.__all__) - set(NAMESPACES)
    assert [name for name in short if getattr(ka, name) not in of_namespaces] == []


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_is_the_module_of_its_name(name: str) -> None:
    module = importlib.import_module(f"keras_attention.{name}")
    assert module is NAMESPACES[name]
    assert list(module.__all__) == sorted(set(module.__all__))
    if module.__file__ is not None and module.__file__.endswith("__init__.py"):
        names = {key for key, value in vars(module).items() if is_public(key, value)}
    else:
        own = {k: v for k, v in vars(module).items() if is_public(k, v)}
        names = {key for key, value in own.items() if value.__module__ == module.__name__}
        names = {key for key in names if not key.startswith("check_")}
    assert names <= set(module.__all__)


@pytest.mark.parametrize("path", [path for path, value in PUBLIC.items() if is_documented(value)])
def test_what_is_public_has_a_docstring_with_an_example(path: str) -> None:
    documentation = inspect.getdoc(PUBLIC[path]) or ""
    assert documentation
    assert ">>> " in documentation or path in WITHOUT_EXAMPLE


def test_imports_point_one_way() -> None:
    assert "0 broken" in run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
