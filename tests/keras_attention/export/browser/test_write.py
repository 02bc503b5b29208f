from __future__ import annotations

from pathlib import Path

import pytest

import keras_attention as ka


@pytest.mark.thorough
def test_links_in_an_earlier_page_are_replaced_and_never_followed(tmp_path: Path) -> None:
    letters = ka.SentencePieceTokenizer.train(["abc", "cab"], 8, model_type="char")
    size = letters.vocabulary_size
    model = ka.Seq2Seq(ka.Seq2SeqConfig(size, size, encoder_units=3, decoder_units=5))
    page, theirs = tmp_path / "page", tmp_path / "theirs"
    for folder in (page / "browser", theirs):
        folder.mkdir(parents=True)
    (page / "browser" / "index.html").touch()
    (theirs / "greedy.onnx").write_text("theirs")
    for name in ("onnx", "config.json", "examples.json"):
        (page / name).symlink_to(theirs if name == "onnx" else theirs / "greedy.onnx")
    ka.export.to_page(model, page, tokenizers=(letters, letters), examples=["cab"], max_length=7)
    assert not [path for path in page.rglob("*") if path.is_symlink()]
    assert (page / "onnx" / "beam.onnx").stat().st_size > 1000
    assert [path.name for path in theirs.iterdir()] == ["greedy.onnx"]
    assert (theirs / "greedy.onnx").read_text() == "theirs"
