"""The virtual environments in which the sides of a comparison run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".peers")
PYTHON = "3.11"


@dataclass(frozen=True)
class Peer:
    """One side of a comparison.

    Args:
        module: The worker, a module in `benchmarks.workers`.
        requirements: The packages to install; empty for the environment of this project.
        python: The required version of Python; empty for any.
        options: Further arguments for the worker.
    """

    module: str
    requirements: tuple[str, ...] = ()
    python: str = ""
    options: tuple[str, ...] = ()

    @property
    def interpreter(self) -> Path:
        """The Python interpreter that runs the worker."""
        if not self.requirements:
            return Path(sys.executable)
        return FOLDER.absolute() / self.module / "bin" / "python"

    def install(self) -> None:
        """Create the environment, unless it exists.

        Raises:
            FileNotFoundError: If the required version of Python is not installed.
            subprocess.CalledProcessError: If a package cannot be installed.
        """
        stamp = FOLDER / self.module / ".installed"
        wanted = "\n".join(self.requirements)
        if not self.requirements or (stamp.exists() and stamp.read_text() == wanted):
            return
        print(f"Installing {', '.join(self.requirements)} into {stamp.parent} ...", flush=True)
        python = shutil.which(f"python{self.python}")
        if python is None:
            raise FileNotFoundError(f"{self.module} requires python{self.python}.")
        subprocess.run([python, "-m", "venv", "--clear", stamp.parent], check=True)
        pip = [
            str(self.interpreter),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        subprocess.run([*pip, *self.requirements], check=True)
        stamp.write_text(wanted)


PRODUCTS, OURS, COMPILED = "products", "ours", "ours, XLA"
AUTO, OPEN = "ours, auto", "ours, auto in any precision"
PEERS = {
    PRODUCTS: Peer("products"),
    OURS: Peer("ours"),
    COMPILED: Peer("ours", options=("--jit-compile",)),
    AUTO: Peer("ours", options=("--auto",)),
    OPEN: Peer("ours", options=("--auto", "--any-precision")),
    "keras": Peer("keras_layers"),
    "tfa": Peer("tfa", ("tensorflow-cpu==2.15.1", "tensorflow-addons==0.23.0"), PYTHON),
    "pytorch": Peer("pytorch", ("torch>=2.13", "numpy")),
    "joeynmt": Peer(
        "joeynmt",
        ("joeynmt==2.3.0", "sentencepiece==0.2.0", "importlib_metadata", "setuptools<80"),
        PYTHON,
    ),
    "opennmt": Peer("opennmt", ("OpenNMT-py==3.5.1", "numpy<2"), PYTHON),
}
CTRANSLATE2 = Peer("ctranslate2", ("ctranslate2==4.8.5", "numpy"), PYTHON)
SERVER = Peer(
    "serving_clients",
    (
        "mlserver==1.7.1",
        "numpy",
        "onnxruntime==1.31.1",
        "onnxruntime-extensions==0.15.2",
        "tritonclient[grpc,http]==2.73.0",
    ),
    PYTHON,
)
"""MLServer, with the packages that the README of an export lists, and clients."""
