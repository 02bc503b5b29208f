"""Ids in Python equal ids in TensorFlow, and no text is lost, on unusual text."""

from __future__ import annotations

import random
import re
import unicodedata
from itertools import islice
from pathlib import Path

import pytest
import tensorflow as tf

from keras_attention import SentencePieceTokenizer
from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.tokenizer import MODEL_TYPES, NORMALIZATIONS
from tests.hard_text import HARD_TEXT, LEARNED
from tests.variants import variants

REAL = {"multi30k/train.de": 0, "tatoeba/train.tsv": 1}
TEXTS = list(HARD_TEXT.values())


@pytest.fixture(params=[None, *REAL])
def lines(request: pytest.FixtureRequest) -> list[str]:
    """A few sentences, plus real ones if there are corpora."""
    if request.param is None:
        return LEARNED
    file = request.getfixturevalue("corpora") / request.param
    if not file.is_file():
        pytest.skip(f"no {file}")
    with file.open(encoding="utf-8") as opened:
        return [line.rstrip("\n").split("\t")[REAL[request.param]] for line in islice(opened, 500)]


def check(tokenizer: SentencePieceTokenizer, texts: list[str], has_bytes: bool) -> None:
    """Ids and texts in the graph equal those on the host; bytes lose nothing."""
    graph, ids = tokenizer.graph(), tokenizer.encode(texts)
    assert graph.tokenize(tf.constant(texts)).to_list() == ids
    decoded = tokenizer.decode(ids)
    in_graph = graph.detokenize(tf.ragged.constant(ids, tf.int32)).numpy()
    assert [text.decode() for text in in_graph] == decoded
    if has_bytes:
        assert decoded == tokenizer.normalize(texts)
        assert all(UNKNOWN_ID not in row for row in ids)


@variants("normalization", NORMALIZATIONS, core=2)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_host_and_graph_are_one(lines: list[str], model_type: str, normalization: str) -> None:
    tokenizer = SentencePieceTokenizer.train(lines, 500, model_type, normalization)
    check(tokenizer, [*TEXTS, *lines[:53]], has_bytes=model_type in ("unigram", "bpe"))


@pytest.mark.parametrize("normalization", ["nmt_nfkc_cf", "identity"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_any_text_and_any_ids(model_type: str, normalization: str) -> None:
    """Random characters, and the ids of an untrained model, which include incomplete bytes."""
    tokenizer = SentencePieceTokenizer.train(LEARNED, 400, model_type, normalization)
    generator = random.Random(11)
    known = sorted(set("".join([*TEXTS, *LEARNED]))) + ["▁", " "] * 17
    drawn = [chr(n) for n in generator.sample([*range(1, 0xD800), *range(0xE000, 0x110000)], 397)]
    texts = ["".join(generator.choices(known + drawn, k=n % 23)) for n in range(499)]
    check(tokenizer, texts, has_bytes=model_type in ("unigram", "bpe"))
    rows = [
        [generator.randrange(UNKNOWN_ID, tokenizer.vocabulary_size) for _ in range(n % 13)]
        for n in range(499)
    ]
    found = tokenizer.graph().detokenize(tf.ragged.constant(rows, tf.int32)).numpy()
    assert [text.decode() for text in found] == tokenizer.decode(rows)


def nfkc(text: str) -> str:
    """Normalize in Python; SentencePiece writes spaces as "▁" and never reorders marks."""
    return re.sub(" +", " ", unicodedata.normalize("NFKC", text)).strip(" ")


def test_normalized_text_is_that_of_unicode() -> None:
    texts = [text for name, text in HARD_TEXT.items() if name not in ("marks", "space symbol")]
    tokenizer = SentencePieceTokenizer.train(LEARNED, 400, "bpe", "nfkc")
    assert tokenizer.normalize(texts) == [nfkc(text) for text in texts]


@pytest.mark.parametrize(
    ("normalization", "text", "expected"),
    [
        ("nfkc", "３ Ma\u0308rz\u00a0\u2009Ab ② ﬁn", "3 März Ab 2 fin"),
        ("nmt_nfkc", "a\tb\u200bc\u200cd\u2028e\u200ff\ufeffg", "a b c d e f g"),
        ("nmt_nfkc", "a\x01\x0bb\x7f \u200d\u00ad", "ab \u200d\u00ad"),
        ("nmt_nfkc_cf", "Straße GROẞ ÄÖÜ", "straße groß äöü"),
        ("nmt_nfkc_cf", "IĞDIR ılık İstanbul", "iğdir ılık İstanbul"),
        ("nfkc_cf", "Σίσυφος\tΣ", "σίσυφοσ\tσ"),
        ("identity", "  ﬁne\u00a0 \u00a0A\t ▁ b ", "ﬁne\u00a0 \u00a0A\t   b"),
    ],
)
@pytest.mark.parametrize("model_type", ["char", "bpe"])
def test_what_a_rule_does(model_type: str, normalization: str, text: str, expected: str) -> None:
    tokenizer = SentencePieceTokenizer.train([text, *LEARNED], 500, model_type, normalization)
    assert tokenizer.normalize([text, ""]) == [expected, ""]
    assert tokenizer.decode(tokenizer.encode([text])) == [expected]


def test_case_is_folded_on_real_german(corpora: Path) -> None:
    text = (corpora / "multi30k/train.de").read_text(encoding="utf-8").splitlines()[:4999]
    tokenizer = SentencePieceTokenizer.train(text[:97], 400, "bpe", "nmt_nfkc_cf")
    assert tokenizer.normalize(text) == [" ".join(line.lower().split()) for line in text]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == tokenizer.normalize(text)
    assert tokenizer.encode([line.upper() for line in text if "ß" not in line]) == [
        row for row, line in zip(ids, text, strict=True) if "ß" not in line
    ]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize(
    "line",
    ["Ω " * 5003, "▅ Ω\u3000x", "\0 Ω y", "Ω" + "x" * 4999 + " Ω"],
    ids=["long", "reserved", "nul", "long word"],
)
def test_no_line_is_left_out_of_what_is_learned(model_type: str, line: str) -> None:
    """Only the trainer skips lines of over 4,192 bytes and those with its own symbols."""
    tokenizer = SentencePieceTokenizer.train([line, *LEARNED], 400, model_type)
    ids = tokenizer.encode(["Ω"])[0]
    assert len(ids) < 3
    assert UNKNOWN_ID not in ids
    check(tokenizer, [line], has_bytes=model_type in ("unigram", "bpe"))


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_same_text_gives_the_same_model(model_type: str) -> None:
    learned = [*LEARNED, *TEXTS[:-4]]
    one, other = (SentencePieceTokenizer.train(learned, 500, model_type) for _ in range(2))
    assert one.model == other.model


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["a", "b\ud83d\udc4dc"], ValueError, r"Received: item 2, with one at character 1: 'b"),
        (["x" * 99 + "\udfff"], ValueError, r"at character 99: 'x{20}\\udfff'$"),
        (["a", None], TypeError, "`{name}` must be a list of strings. Received: item 2, None"),
        (["a", b"b"], TypeError, "Received: item 2, b'b'"),
        ("abc", TypeError, "`{name}` must be a list of strings. Received: {name}='abc'"),
    ],
)
def test_what_is_no_text_is_named(texts: list[str], error: type, message: str) -> None:
    tokenizer = SentencePieceTokenizer.train(LEARNED, 64, "char")
    for function in (tokenizer.encode, tokenizer.normalize):
        with pytest.raises(error, match=message.replace("{name}", "texts")):
            function(texts)
    with pytest.raises(error, match=message.replace("{name}", "sentences")):
        SentencePieceTokenizer.train(texts, 64, "char")
