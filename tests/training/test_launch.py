"""Arguments of `training.launch`; what it starts is tested in tests/hosts."""

from __future__ import annotations

import pytest

from training import launch

ARGUMENTS = ["--", "--recipe", "dates", "--out", "run"]


def test_the_number_of_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(["--processes", "0", *ARGUMENTS]) == 2
    assert "`--processes` must be at least 1. Received: 0" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "missing"), [([], "jax"), (["--ray", "local"], "ray")])
def test_what_is_not_installed(
    options: list[str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda name: None if name == missing else name)
    assert launch.main(["--processes", "2", *options, *ARGUMENTS]) == 2
    errors = capsys.readouterr().err
    assert f"No module named '{missing}': pip install" in errors
    assert "[training,hosts]" in errors
