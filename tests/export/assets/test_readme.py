"""The code of the deployment guide runs exactly as written, on a toy export."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import keras_attention as ka
from keras_attention.text.runs import RunDirectory
from tests.documents import blocks
from tests.export.toy import fresh_python


@pytest.mark.thorough
def test_every_runtime(exported: Path, run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "dates").symlink_to(exported)
    translator, text = ka.Translator.from_run(run.path), "decade"
    greedy, beam = (
        translator([text], search=search)[0].text + "\n"
        for search in (ka.GreedySearch(), translator.search)
    )
    code = [
        block.replace("saved_model/dates", "saved_model/toy")
        for block in blocks("docs/guides/deploy.md", "python deploy")
    ]
    code = [re.sub(r"3 May 1979", text, block) for block in code]

    printed = [fresh_python(block, cwd=tmp_path) for block in code]
    (scored,) = translator.score([text], ["1979-05-03"])
    per_token = scored.log_probability / len(scored.tokens)
    assert float(printed.pop(3)) == pytest.approx(per_token, abs=1e-4)
    assert printed == [beam, beam, greedy, greedy]
