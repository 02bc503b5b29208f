"""How Sphinx makes the site of these pages: `make docs`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import is_dataclass
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import inspect
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# Pages with code are run by a kernel of their own, which has to find the programs and the library.
os.environ["PYTHONPATH"] = str(ROOT)
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402

import keras_attention  # noqa: E402

project = "keras_attention"
version = release = keras_attention.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "keras_attention"
html_copy_source = html_show_sphinx = html_show_copyright = False

myst_heading_anchors = 4
nb_execution_in_temp = True
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_output_stderr = "remove"

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {
    "exclude-members": "build, call, compute_mask, compute_output_shape, compute_output_spec, "
    "from_config, get_config"
}
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
python_maximum_signature_line_length = 60


def places() -> dict[str, str]:
    """Where the reference describes a name, as one writes it: in full, in short, or alone."""
    found = {}
    for namespace, module in vars(keras_attention).items():
        if namespace in keras_attention.__all__ and isinstance(module, ModuleType):
            for name in module.__all__:
                place = f"keras_attention.{namespace}.{name}"
                found |= {f"ka.{namespace}.{name}": place, f"ka.{name}": place}
                if name[0].isupper() and name != "Attention":  # which alone is Keras's
                    found[name] = place
    return found


class LinkedNames(SphinxPostTransform):
    """Leads from a public name in code, such as `ka.BeamSearch`, to its place in the reference."""

    default_priority = 5
    name = re.compile(r"([\w.]+?)(?:\(.*\))?")
    member = re.compile(r"(.+)\.(\w+)")
    places = places()

    def place(self, text: str) -> str | None:
        """Of a name, or of a member of a class, such as `ka.Seq2Seq.generate`."""
        match = self.name.fullmatch(text)
        if match is None:
            return None
        member = self.member.fullmatch(match[1])
        if match[1] not in self.places and member and member[1] in self.places:
            return f"{self.places[member[1]]}.{member[2]}"
        return self.places.get(match[1])

    def run(self, **_: Any) -> None:
        """Link what is documented."""
        objects = self.env.domains.python_domain.objects
        for literal in list(self.document.findall(nodes.literal)):
            place = self.place(literal.astext())
            found = place and objects.get(place)
            if found and not _is_inside(literal, found.node_id):
                here, there, to = self.env.docname, found.docname, found.node_id
                link = make_refnode(self.app.builder, here, there, to, literal.deepcopy())
                literal.replace_self(link)


def _is_inside(node: nodes.Node, node_id: str) -> bool:
    """Whether it is in a link or a title, or in the description of the very name."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.reference | nodes.title):
            return True
        if isinstance(node, addnodes.desc) and node_id in node[0]["ids"]:
            return True
    return False


def constructor_signature(
    _app: Sphinx, what: str, _name: str, documented: Any, *_: Any
) -> tuple[str, str] | None:
    """The arguments of a Keras class, whose `__new__` takes any, and of a dataclass."""
    is_keras = what == "class" and issubclass(
        documented, keras.Operation | keras.Loss | keras.Metric
    )
    if not is_keras and not is_dataclass(documented):
        return None
    signature = inspect.signature(documented.__init__, bound_method=True)
    arguments = inspect.stringify_signature(
        signature, show_annotation=False, show_return_annotation=False
    )
    return arguments.replace("<factory>", "{}"), ""


def prose(_app: Sphinx, _what: str, _name: str, _object: Any, *rest: Any) -> None:
    """Keeps prose in one piece, of which napoleon takes the first words for a name or a type."""
    lines = rest[-1]
    for i, (line, first) in enumerate(pairwise(lines)):
        if line == "Returns:" or (line == "Call arguments:" and not re.match(r" +\w+:", first)):
            lines[i] = f":{line}"


def with_playground(app: Sphinx, exception: Exception | None) -> None:
    """Puts the page to play with beside the others, as it is."""
    if exception is None and app.builder.format == "html":
        copytree(ROOT / "docs" / "play", Path(app.outdir) / "play", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.add_post_transform(LinkedNames)
    app.connect("autodoc-process-signature", constructor_signature)
    app.connect("autodoc-process-docstring", prose, priority=0)
    app.connect("build-finished", with_playground)
