"""What makes replicas of an export's server; tests/servers has what needs validators."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from export.layout import label_of
from export.mlserver.deployment import write_deployment
from locks.__main__ import entries
from tests.documents import ROOT

PORTS = {"http": 8080, "grpc": 8081, "metrics": 8082}


@pytest.fixture
def manifests(exported: Path) -> dict[str, Any]:
    """The objects of both manifests by their kinds."""
    files = (exported / "mlserver" / "deploy").glob("*.yaml")
    found = [each for file in files for each in yaml.safe_load_all(file.read_text("utf-8"))]
    return {each["kind"]: each for each in found}


@pytest.fixture
def pods(manifests: dict[str, Any]) -> list[dict[str, Any]]:
    template = manifests["Deployment"]["spec"]["template"]
    predictor = manifests["InferenceService"]["spec"]["predictor"]
    replicas = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    rest = {key: predictor[key] for key in predictor.keys() - replicas}
    metadata = {key: rest.pop(key) for key in ("labels", "annotations")}
    return [template, {"metadata": metadata, "spec": rest}]


def test_a_manifest_and_the_image_agree(exported: Path, pods: list[dict[str, Any]]) -> None:
    dockerfile = (exported / "mlserver" / "deploy" / "Dockerfile").read_text("utf-8")
    listening = {
        name.lower(): int(port)
        for name, port in re.findall(r"MLSERVER_(\w+)_PORT=(\d+)", dockerfile)
    }
    assert listening == PORTS
    assert "EXPOSE 8080 8081 8082\n" in dockerfile
    readme = (exported / "README.md").read_text("utf-8")
    (tag,) = re.findall(r"^docker build .* -t (\S+) \.$", readme, re.MULTILINE)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert {each["name"]: each["containerPort"] for each in container["ports"]} == PORTS
        assert container["image"] == tag == "toy:1"
        assert pod["metadata"]["annotations"]["prometheus.io/port"] == "8082"
        user = pod["spec"]["securityContext"]
        assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in dockerfile
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")]
        assert all(f"'{probe['path']}'" in dockerfile for probe in probes)


def test_what_selects_the_pods(manifests: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    label = {"app.kubernetes.io/name": "toy"}
    assert [pod["metadata"]["labels"] for pod in pods] == [label, label]
    assert manifests["Service"]["spec"]["selector"] == label
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert manifests[kind]["spec"]["selector"] == {"matchLabels": label}
    assert manifests["InferenceService"]["metadata"]["name"] == "toy"
    served = {each["name"]: each["targetPort"] for each in manifests["Service"]["spec"]["ports"]}
    assert served == {"http": "http", "grpc": "grpc"}


def test_a_stop_has_the_time_it_needs(exported: Path, pods: list[dict[str, Any]]) -> None:
    limits = (exported / "mlserver" / "guard" / "limits.py").read_text("utf-8")
    assert re.search(r"^    stop_seconds: float", limits, re.MULTILINE)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        (variable,) = container["env"]
        assert variable["name"] == "SERVE_STOP_SECONDS"
        sleep, pause = container["lifecycle"]["preStop"]["exec"]["command"]
        assert sleep == "sleep"
        stop = int(pause) + int(variable["value"])
        assert pod["spec"]["terminationGracePeriodSeconds"] > stop


def test_the_image_has_what_is_tested(exported: Path) -> None:
    locked = (ROOT / "locks" / "export" / "mlserver" / "requirements.txt").read_text("utf-8")
    written = (exported / "mlserver" / "requirements.txt").read_text("utf-8")
    assert entries(written) == entries(locked)
    assert {"mlserver", "numpy"} < {entry.partition("==")[0] for entry in entries(written)}
    tested = (ROOT / "tests" / "servers" / "requirements.txt").read_text("utf-8")
    assert "\n-r ../../export/mlserver/requirements.txt\n" in tested


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("toy", "toy"),
        ("Multi30k_en.de", "multi30k-en-de"),
        ("30k", "model-30k"),
        ("übersetzt", "bersetzt"),
        ("--", "model"),
        (49 * "a" + "-b", 49 * "a"),
    ],
)
def test_a_name_that_a_cluster_allows(name: str, label: str) -> None:
    assert label_of(name) == label


def test_a_name_that_means_something_in_yaml(tmp_path: Path) -> None:
    write_deployment(tmp_path, "no")
    for file in (tmp_path / "deploy").glob("*.yaml"):
        for found in yaml.safe_load_all(file.read_text("utf-8")):
            assert found["metadata"]["name"] == "no"
