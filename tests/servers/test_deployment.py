"""The image and the manifests of an export's server: `make test-servers`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pytest
import yaml

from tests.servers.mlserver_process import (
    HERE,
    PROGRAMS,
    VALIDATORS,
    environment,
    of_texts,
    run,
    start_command,
    started,
)

KUBERNETES = ("1.30", "1.37")
"""The oldest and the newest version whose schemas the manifest must fit."""

pytestmark = pytest.mark.skipif(
    not (PROGRAMS.is_dir() and VALIDATORS.is_dir()),
    reason="`make test-servers` installs what this needs",
)


@pytest.fixture(scope="module")
def deploy(out: Path) -> Path:
    return out / "mlserver" / "deploy"


def validated(program: str, *arguments: str | Path, given: str = "") -> tuple[int, str]:
    """The status of a validator, and what it prints."""
    done = subprocess.run(
        [VALIDATORS / program, *arguments],
        input=given,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def changed(file: Path, old: str, new: str) -> str:
    text = file.read_text("utf-8")
    assert old in text
    return text.replace(old, new, 1)


def test_the_dockerfile(deploy: Path) -> None:
    assert validated("hadolint", "--no-color", deploy / "Dockerfile") == (0, "")
    wrong = changed(deploy / "Dockerfile", "python:3.11.14-slim-trixie", "python")
    status, said = validated("hadolint", "-", given=wrong + "USER root\n")
    assert status == 1
    assert "DL3006" in said  # no version
    assert "DL3002" in said  # root


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_manifest_for_kubernetes(deploy: Path, tmp_path: Path, version: str) -> None:
    check = ("kubernetes-validate", "--strict", "--kubernetes-version", version)
    right = deploy / "kubernetes.yaml"
    status, said = validated(*check, right)
    assert (status, said.count(" passed for resource ")) == (0, 3)
    wrong = []
    for number, (old, new) in enumerate(
        (
            ("readinessProbe:", "readinesProbe:"),
            ("replicas: 2", "replicas: two"),
            ("maxUnavailable: 1\n  selector", "maxUnavailable: 1\n  select"),
            ("targetPort: grpc", "targetport: grpc"),
        )
    ):
        file = tmp_path / f"{number}.yaml"
        file.write_text(changed(right, old, new), "utf-8")
        wrong.append(file)
    status, said = validated(*check, *wrong)
    assert status == 1
    assert [file for file in wrong if f"ERROR {file}" not in said] == []


def test_the_manifest_for_kserve(deploy: Path) -> None:
    check = HERE / "inference_service.py"
    wrong = (deploy / "kserve.yaml").read_text("utf-8")
    assert validated("python", check, given=wrong) == (0, "")
    named = []
    for old, new, message in (
        ("maxReplicas:", "maxReplica:", "predictor.maxReplica is not a field of V1beta1Predictor"),
        ("minReplicas: 2", 'minReplicas: "2"', "predictor.minReplicas must be int. Received: '2'"),
        ("readinessProbe:", "readinesProbe:", "readinesProbe is not a field of V1Container"),
        ("failureThreshold:", "failureTreshold:", "failureTreshold is not a field of V1Probe"),
        ("- name: http\n", "- nam: http\n", "ports[0].nam is not a field of V1ContainerPort"),
        ("name: kserve-container\n        ", "", "containers[0]: "),
        ("drop:\n              - ALL", "drop: ALL", "capabilities.drop must be a list."),
        ("v1beta1", "v1beta2", "apiVersion must be serving.kserve.io/v1beta1"),
    ):
        assert old in wrong
        wrong = wrong.replace(old, new, 1)
        named.append(message)
    status, said = validated("python", check, given=wrong)
    assert status == 1
    assert [message for message in named if message not in said] == []


def probes(deploy: Path) -> Iterator[tuple[str, str]]:
    """The port and path of each probe, and of the metrics."""
    for file in deploy.glob("*.yaml"):
        for found in yaml.safe_load_all(file.read_text("utf-8")):
            spec = found["spec"].get("template") or found["spec"].get("predictor") or {}
            for container in spec.get("spec", spec).get("containers", ()):
                for name in ("startup", "readiness", "liveness"):
                    asked = container[f"{name}Probe"]["httpGet"]
                    yield asked["port"], asked["path"]
            if annotations := spec.get("metadata", spec).get("annotations"):
                yield "metrics", annotations["prometheus.io/path"]


def image(out: Path, folder: Path, dockerfile: str) -> None:
    """Copy what the image has of an export into a folder."""
    lines = (
        (out / "mlserver" / "deploy" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    )
    patterns = [line for line in lines if not line.startswith("#")]
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", dockerfile, re.MULTILINE):
        found = list(out.glob(source))
        assert found, source
        for file in (file for top in found for file in (top, *top.rglob("*")) if file.is_file()):
            if not is_ignored(file.relative_to(out).as_posix(), patterns):
                place = file.relative_to(out / source) if (out / source).is_dir() else file.name
                copy = folder / target / place
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether Docker leaves a file out: the last pattern for it, or for a folder of it, counts."""
    ignored = False
    for pattern in patterns:
        glob = re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(.*/)?")
        glob = glob.replace(r"\*", "[^/]*")
        names = [path, *map(str, PurePosixPath(path).parents)]
        if any(re.fullmatch(glob, name) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_the_image_has_is_enough(
    out: Path, deploy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = (deploy / "Dockerfile").read_text("utf-8")
    folder, home = tmp_path / "image", tmp_path / "home"
    image(out, folder, dockerfile)
    before = files(folder)
    assert {name for name in before if not name.startswith("mlserver/")} == {
        "config.json",
        "onnx/translate.onnx",
    }
    assert not any(name.startswith("mlserver/deploy/") for name in before)
    *_, command = re.findall(r"^CMD (.+)$", dockerfile, re.MULTILINE)
    assert json.loads(command) == ["python", *start_command(out)[1:]]
    (healthy,) = re.findall(r"^    CMD (.+)$", dockerfile, re.MULTILINE)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CI", raising=False)  # which would keep ONNX Runtime from sending events
    variables = dict(re.findall(r"^(?:ENV|   ) (\w+)=(\S+)", dockerfile, re.MULTILINE))
    with started(start_command(out), folder, tmp_path / "log", variables) as server:
        (answer,) = server.ask("grpc", [of_texts("abc")])
        assert "translation" in answer
        found = list(probes(deploy))
        assert len(found) == 8
        for port, path in found:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.ports[port]}{path}") as response:
                assert response.status == 200
        monkeypatch.setenv("MLSERVER_HTTP_PORT", str(server.ports["http"]))
        run(*json.loads(healthy))
        server.process.kill()
        server.process.wait()
        with pytest.raises(AssertionError, match="refused"):
            run(*json.loads(healthy))
    assert files(folder) == before
    assert not home.exists()


def test_a_container_has_fewer_processors(out: Path, tmp_path: Path) -> None:
    limits = ("max 100000", "150000 100000", "20000 100000", "99000000 100000")
    for number, line in enumerate(limits):
        (tmp_path / str(number)).write_text(line + "\n", "utf-8")
    code = f"""
import json, os, runtime
from pathlib import Path

os.sched_getaffinity = lambda _: range(7)
there = [runtime.processors(Path({str(tmp_path)!r}, str(number))) for number in range(5)]
print(json.dumps(there))
"""
    found = json.loads(run("python", "-c", code, cwd=out / "mlserver"))
    assert found == [7, 2, 1, 7, 7]
