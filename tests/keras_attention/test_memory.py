"""What cannot fit into memory is refused from the configuration, before anything is allocated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_attention as ka
from keras_attention import memory
from keras_attention.memory import LIMIT, check_fits, free_bytes, weights

BASE = ka.Seq2SeqConfig(
    300, 200, embedding_size=24, encoder_units=16, decoder_units=20, attention_units=8
)
CONFIGS = [
    BASE,
    replace(BASE, encoder="lstm", decoder_cell="gru", attention=None, bridge="zeros"),
    replace(BASE, encoder_layers=3, decoder_layers=2, attention="luong", score="dot"),
    replace(BASE, tie_embeddings="output", attention_layer_units=24),
    replace(BASE, target_vocabulary=300, tie_embeddings="all", readout="maxout"),
    replace(BASE, decoder_cell="ln-lstm", readout="tanh", readout_units=9),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_are_a_lower_bound_that_is_not_far_below(config: Any) -> None:
    if config.score == "dot":
        config = replace(config, decoder_units=32)  # that of the encoder's outputs
    count = ka.Seq2Seq(config).count_params()
    assert 0.4 * count < weights(config) <= count


def test_a_model_that_does_not_fit_is_refused_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = replace(BASE, source_vocabulary=2**24, target_vocabulary=2**24, embedding_size=2**16)
    with pytest.raises(ValueError, match=r"The weights .*16,777,216.* need at least [\d.]+ TB"):
        ka.Seq2Seq(large)
    needed = 4 * weights(BASE)
    monkeypatch.setenv(LIMIT, str(needed - 1))
    with pytest.raises(ValueError, match=rf"need at least .* of memory. Received: .*{LIMIT}"):
        ka.Seq2Seq(BASE)
    monkeypatch.setenv(LIMIT, str(needed))
    ka.Seq2Seq(BASE)


def test_a_search_that_does_not_fit_is_refused() -> None:
    model = ka.Seq2Seq(BASE)
    source = np.full((3, 5), 7)
    with pytest.raises(ValueError, match=r"search for 3 sources with 4 hypotheses of 10,000,000,0"):
        model.generate(source, ka.BeamSearch(4), max_length=10**10)
    with pytest.raises(ValueError, match=r"with 1,000,000,000,000 hypotheses"):
        model.generate(source, ka.BeamSearch(10**12), max_length=5)


def test_the_limit_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "2e3")
    assert free_bytes() == 2000
    check_fits("Two", 2000)
    with pytest.raises(ValueError, match=r"^Three need at least 3.0 kB of memory. Received: 2.0"):
        check_fits("Three", 3000)
    for wrong in ("much", "nan", "inf"):
        monkeypatch.setenv(LIMIT, wrong)
        with pytest.raises(ValueError, match=rf"{LIMIT} must be a number of bytes.*'{wrong}'"):
            free_bytes()


def test_a_container_has_what_its_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    of_system = free_bytes()
    assert of_system is None or of_system > 10**6
    for name, content in (("max", "5000000"), ("current", "3000000"), ("stat", "inactive_file 7")):
        (tmp_path / f"memory.{name}").write_text(f"{content}\n")
    assert free_bytes() == 2_000_007
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._of_group() is None
