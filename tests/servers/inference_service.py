"""Prints what is wrong with an InferenceService: `inference_service.py < kserve.yaml`.

KServe's package has a model of each object, and takes those of pods from Kubernetes's. What reads
objects into them leaves out fields that they do not have; here each is named. It runs in the
environment of the validators and does not import this project.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve
import kubernetes.client
import yaml

PLAIN = {"str": str, "int": int, "bool": bool}


def wrong(value: Any, kind: str, where: str) -> Iterator[str]:
    """What of a value is not as its kind says."""
    if nest := re.fullmatch(r"(list|dict)[\[(](?:str, )?(.+)[\])]", kind, re.IGNORECASE):
        yield from wrong_nest(value, {"list": list, "dict": dict}[nest[1].lower()], nest[2], where)
    elif kind in PLAIN:
        if type(value) is not PLAIN[kind]:
            yield f"{where} must be {kind}. Received: {value!r}"
    elif kind != "object":  # a number or a name of a port
        model = getattr(kserve, kind, None) or getattr(kubernetes.client, kind)
        yield from wrong_fields(value, model, where)


def wrong_nest(value: Any, nest: type, kind: str, where: str) -> Iterator[str]:
    if not isinstance(value, nest):
        yield f"{where} must be a {nest.__name__}. Received: {value!r}"
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from wrong(inner, kind, f"{where}[{key}]")


def wrong_fields(value: Any, model: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} must have fields. Received: {value!r}"
        return
    attributes = {field: name for name, field in model.attribute_map.items()}
    for field in value.keys() - attributes.keys():
        yield f"{where}.{field} is not a field of {model.__name__}"
    known = {field: value[field] for field in value if field in attributes}
    for field, inner in known.items():
        yield from wrong(inner, model.openapi_types[attributes[field]], f"{where}.{field}")
    try:
        model(**{attributes[field]: inner for field, inner in known.items()})
    except ValueError as error:  # a field is missing
        yield f"{where}: {' '.join(str(error).split())}"


def main() -> int:
    given = yaml.safe_load(sys.stdin)
    found = list(wrong(given, "V1beta1InferenceService", "service"))
    expected = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    found += [
        f"{key} must be {expected[key]}" for key in expected if given.get(key) != expected[key]
    ]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
