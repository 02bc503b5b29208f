"""Write `mlserver/deploy/`: what makes an image of the server, and replicas of it in a cluster."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from string import Template
from textwrap import indent

from export.layout import label_of
from keras_attention.files import write

_TEMPLATES = Path(__file__).with_name("deploy")
_COPIED = ("Dockerfile", "Dockerfile.dockerignore")
_MANIFESTS = {"kubernetes.yaml": ("server", 6), "kserve.yaml": ("kserve-container", 4)}
"""The name of each manifest's container, as KServe wants it, and how deep its pod stands."""
_LOCK = Path(__file__).parents[2] / "locks" / "export" / "mlserver" / "requirements.txt"
_HEAD = "# The versions that the server was tested in, for CPython 3.11 and 3.12 on Linux.\n"


def write_deployment(folder: Path, name: str) -> None:
    """Write `deploy/`, and the requirements of the image.

    Args:
        folder: The folder of the server.
        name: The name of the model.
    """
    deploy = folder / "deploy"
    deploy.mkdir()
    for file in _COPIED:
        shutil.copyfile(_TEMPLATES / file, deploy / file)
    label = label_of(name)
    pod = Template((_TEMPLATES / "pod.yaml").read_text("utf-8").rstrip("\n"))
    for file, (container, depth) in _MANIFESTS.items():
        template = Template((_TEMPLATES / file).read_text("utf-8"))
        inner = indent(pod.substitute(label=label, container=container), depth * " ")
        write(deploy / file, template.substitute(label=label, pod=inner))
    locked = re.sub(r"^#.*\n", "", _LOCK.read_text("utf-8"), flags=re.MULTILINE)
    write(folder / "requirements.txt", _HEAD + locked)
