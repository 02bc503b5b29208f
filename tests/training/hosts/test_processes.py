from __future__ import annotations

from typing import Any

import pytest

from training.hosts import processes
from training.hosts.processes import Place, Processes, joined, place_in
from training.program import ConfigError, RunError

KERAS = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "10.0.0.1:1234,10.0.0.2:1234",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    "KERAS_DISTRIBUTION_PROCESS_ID": "1",
}
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NODELIST": "node[1-2]",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911",
}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, None),
        (KERAS, Place(1, 2, "10.0.0.1:1234", False)),
        ({**KERAS, "KERAS_DISTRIBUTION_NUM_PROCESSES": "1"}, None),
        (SLURM, Place(3, 4, None, True)),
        ({**SLURM, **KERAS}, Place(1, 2, "10.0.0.1:1234", False)),
        ({name: value for name, value in SLURM.items() if "STEP" not in name}, None),
        (OPEN_MPI, Place(0, 2, None, True)),
        (
            {
                "OMPI_COMM_WORLD_RANK": "0",
                "OMPI_COMM_WORLD_SIZE": "2",
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1",
            },
            Place(0, 2, "a:1", False),
        ),
    ],
    ids=["alone", "Keras", "one", "SLURM", "both", "SLURM's script", "Open MPI 4", "Open MPI 5"],
)
def test_a_process_finds_its_place(environment: dict[str, str], place: Place | None) -> None:
    assert place_in(environment) == place


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"KERAS_DISTRIBUTION_PROCESS_ID": "2"},
            "Received: KERAS_DISTRIBUTION_PROCESS_ID='2', KERAS_DISTRIBUTION_NUM_PROCESSES='2'",
        ),
        ({"KERAS_DISTRIBUTION_PROCESS_ID": ""}, "Received: KERAS_DISTRIBUTION_PROCESS_ID=''"),
        ({"KERAS_DISTRIBUTION_NUM_PROCESSES": "two"}, "KERAS_DISTRIBUTION_NUM_PROCESSES='two'"),
        (
            {"KERAS_DISTRIBUTION_JOB_ADDRESSES": ""},
            "KERAS_DISTRIBUTION_JOB_ADDRESSES must be host:port of the first process",
        ),
    ],
)
def test_a_place_that_makes_no_sense(changed: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        place_in({**KERAS, **changed})


def test_several_processes_need_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KERAS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"2 processes needs KERAS_BACKEND=jax\. Received"):
        joined.__wrapped__()


def test_one_process_agrees_with_itself() -> None:
    alone = Processes()
    assert alone.exchange(b"text") == [b"text"]
    with alone.agreeing():
        pass
    with pytest.raises(ZeroDivisionError), alone.agreeing():
        raise ZeroDivisionError


def test_an_error_in_another_process_ends_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(self: Processes, message: bytes) -> list[Any]:
        return [message, b"no room on the disk"]

    monkeypatch.setattr(processes.Processes, "exchange", said)
    with pytest.raises(RunError, match="Process 1 failed: no room on the disk"):  # noqa: SIM117
        with Processes(0, 2).agreeing():
            pass
