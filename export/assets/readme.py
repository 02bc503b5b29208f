"""Create the README of an export from `readme_template.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Template
from typing import Any

from export.layout import QUANTIZED, label_of, parts_of
from keras_attention.export.formats import FLOAT32, OPSET
from keras_attention.export.litert_workspace import ROOM

_TEMPLATE = Path(__file__).with_name("readme_template.md")
_SECTION = re.compile(r"<!-- format: (\w+) -->\n")


def readme(config: Mapping[str, Any], text: str, translation: str) -> str:
    """Return the text of `README.md`.

    Args:
        config: The content of `config.json`.
        text: A source text for the examples.
        translation: Its translation.
    """
    kept = {"end", *config["formats"]}
    if config["model"]["attention"] is not None:
        kept.add("attention")
    files = [file for kind in QUANTIZED for file in config["artefacts"].get(kind, ())]
    quantized = [f"`{file}`" for file in files if parts_of(file)[1] != FLOAT32]
    if quantized:
        kept.add("quantized")
    quoted = json.dumps(text, ensure_ascii=False)
    return Template(_choose(_TEMPLATE.read_text(encoding="utf-8"), kept)).substitute(
        name=config["name"],
        label=label_of(config["name"]),
        quantized=", ".join(quantized),
        start=config["decoder_start_id"],
        end=config["ids"]["end"],
        max_source=config["max_source_length"],
        roomy=ROOM * config["max_source_length"],
        max_target=config["max_target_length"],
        width=config["beam"]["beam_width"],
        penalty=config["beam"]["length_penalty"],
        translate_width=config["search"]["beam_width"],
        translate_penalty=config["search"]["length_penalty"],
        opset=OPSET,
        text=quoted,
        translation=json.dumps(translation, ensure_ascii=False),
        text_in_shell=quoted.replace("'", "'\\''"),
    )


def _choose(template: str, kept: Collection[str]) -> str:
    """Remove the sections of formats that were not exported from the template.

    A section extends from `<!-- format: NAME -->` to the next such line; `end` is always kept.
    """
    head, *rest = _SECTION.split(template)
    sections = zip(rest[::2], rest[1::2], strict=True)
    return head + "".join(text for name, text in sections if name in kept)
