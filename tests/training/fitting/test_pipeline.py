from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from keras_attention.ids import END_ID, PADDING_ID, START_ID
from keras_attention.text.tokenizer import SentencePieceTokenizer
from training.corpora.pairs import CorpusFiles, Pair, places
from training.fitting.budget import Budget
from training.fitting.pipeline import training_batches, validation_batches
from training.fitting.tasks import Dates, Texts, task_of
from training.fitting.text import checked_pairs, unknown_tokens
from training.program import ConfigError
from training.recipes.config import DatesConfig
from training.shards import rows as rows_module
from training.shards.parts import EncodedPairs, Lengths, TextPasses, Tokenizers
from training.shards.rows import Rows

TEXT = "abcdefghijklmnopqrstuvwxyz 0123456789-"


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    source = SentencePieceTokenizer.train([TEXT], 64, "char")
    return source, SentencePieceTokenizer.train(["xyz 0123456789-"], 64, "char")


def pairs_of(number: int) -> list[Pair]:
    """Different pairs, of lengths that vary, for each pass."""
    return [(f"p{number} n{n} " + "x" * (n * 7 % 13), f"{n}") for n in range(35)]


def first_batches(
    tokenizers: Tokenizers, number: int, budget: Budget, first: int = 0
) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    dataset = training_batches(TextPasses(pairs_of, tokenizers), START_ID, budget, 1, first)
    return list(dataset.take(number).as_numpy_iterator())


def without_padding(row: np.ndarray) -> list[int]:
    """The ids of a row; padding is only on the right."""
    ids = row[: np.count_nonzero(row)]
    assert PADDING_ID not in ids
    return [int(i) for i in ids]


def test_a_batch_typed_out(tokenizers: Tokenizers) -> None:
    source, target = tokenizers
    a, b, two = source.encode(["a"])[0][0], source.encode(["b"])[0][0], target.encode(["2"])[0][0]
    pairs = EncodedPairs.of([("x", "1"), ("a", "22"), ("bab", "")], tokenizers)
    inputs, labels = pairs.batch([1, 2], 3, (5, 4), START_ID)
    rows = [[a, END_ID, 0, 0, 0], [b, a, b, END_ID, 0], [0, 0, 0, 0, 0]]
    assert inputs["source"].tolist() == rows
    rows = [[START_ID, two, two, 0], [START_ID, 0, 0, 0], [0, 0, 0, 0]]
    assert inputs["target"].tolist() == rows
    assert labels.tolist() == [[two, two, END_ID, 0], [END_ID, 0, 0, 0], [0, 0, 0, 0]]
    assert pairs.lengths() == [(2, 2), (2, 3), (4, 1)]


@pytest.mark.parametrize(("rows", "widths"), [(1, (4, 4)), (1, (5, 1)), (0, (5, 4))])
def test_pairs_that_a_batch_cannot_hold(tokenizers: Tokenizers, rows: int, widths: Lengths) -> None:
    pairs = EncodedPairs.of([("aaaa", "1")], tokenizers)
    assert pairs.batch([0], 1, (5, 2), START_ID)[1].shape == (1, 2)
    with pytest.raises(ValueError, match="cannot hold 1 rows of up to"):
        pairs.batch([0], rows, widths, START_ID)


def test_many_texts_are_encoded_in_parts(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{n}" * (n % 5) for n in range(23)]
    expected = tokenizers[0].encode(texts)
    monkeypatch.setattr(rows_module, "_AT_ONCE", 5)
    rows = Rows.encoded(texts, tokenizers[0])
    assert len(rows) == 23
    assert [part.tolist() for part in np.split(rows.ids, rows.begins[1:-1])] == expected
    assert len(Rows.encoded([], tokenizers[0])) == 0


def test_the_decoder_may_start_with_the_end_token(tokenizers: Tokenizers) -> None:
    inputs, labels = EncodedPairs.of([("a", "7")], tokenizers).batch([0], 1, (4, 4), END_ID)
    assert inputs["target"][0, 0] == END_ID
    assert labels[0, 0] == inputs["target"][0, 1]


def test_batches_of_the_pipeline(tokenizers: Tokenizers) -> None:
    seen = []
    for inputs, labels in first_batches(tokenizers, 7, Budget(pairs=5)):
        source, target = inputs["source"], inputs["target"]
        assert source.dtype == target.dtype == labels.dtype == np.int32
        assert (source.shape[0], target.shape, labels.shape[0]) == (5, labels.shape, 5)
        assert (source.shape[1] % 4, target.shape[1] % 4) == (0, 0)
        assert np.count_nonzero(source[:, -4:]) > 0, "four columns of nothing but padding"
        np.testing.assert_array_equal(target != PADDING_ID, labels != PADDING_ID)
        for ids, given, asked in zip(source, target, labels, strict=True):
            *words, end = without_padding(ids)
            start, *before = without_padding(given)
            *after, last = without_padding(asked)
            assert (end, start, last) == (END_ID, START_ID, END_ID)
            assert before == after
            seen.append((tokenizers[0].decode([words])[0], tokenizers[1].decode([after])[0]))
    expected = [(source.strip(), target) for source, target in pairs_of(0)]
    assert sorted(seen) == sorted(expected)


def test_a_step_reads_the_same_whichever_was_first(tokenizers: Tokenizers) -> None:
    whole = first_batches(tokenizers, 23, Budget(tokens=64))
    resumed = first_batches(tokenizers, 6, Budget(tokens=64), first=17)
    for (inputs, labels), (same_inputs, same_labels) in zip(whole[17:], resumed, strict=True):
        np.testing.assert_array_equal(inputs["source"], same_inputs["source"])
        np.testing.assert_array_equal(labels, same_labels)


def test_validation_reads_every_pair_once(tokenizers: Tokenizers) -> None:
    batches = validation_batches(pairs_of(3), tokenizers, START_ID, Budget(pairs=8))
    assert batches.cardinality() == 5
    read = [row for inputs, _ in batches.as_numpy_iterator() for row in inputs["source"]]
    texts = tokenizers[0].decode([without_padding(row)[:-1] for row in read])
    assert sorted(texts) == sorted(source.strip() for source, _ in pairs_of(3))


def test_a_pass_is_made_once_and_encoded_once(tokenizers: Tokenizers) -> None:
    made: list[int] = []

    def fresh(number: int) -> list[Pair]:
        made.append(number)
        return pairs_of(number)

    list(training_batches(TextPasses(fresh, tokenizers), START_ID, Budget(pairs=7), 1).take(9))
    assert made[:2] == [0, 1], "five batches in a pass"
    assert len(made) <= 4
    same = pairs_of(0)
    passes = TextPasses(lambda _: same, tokenizers)
    (part,), (again,) = passes.parts(0), passes.parts(1)
    assert part is again
    assert part.lengths()[:2] == [(6, 2), (14, 2)]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("a" * 7, "1"), r"1 to 6 source tokens and .* pair 2 \(source, 7 tokens: 'aaaaaaa'\)"),
        (("a", "1" * 5), r"1 to 4 target tokens .* pair 2 \(target, 5 tokens: '11111'\)"),
        (("", "1"), r"1 of 2 pairs do not have.* pair 2 \(source, 0 tokens: ''\)"),
        (("a", " "), r"pair 2 \(target, 0 tokens: ' '\)\. .*use data.on_problem=drop to skip"),
    ],
)
def test_a_pair_that_does_not_fit_is_an_error(
    tokenizers: Tokenizers, pair: Pair, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_pairs([("b", "2"), pair], tokenizers, (7, 5))


def test_misfits_are_named_by_file_and_line(
    tokenizers: Tokenizers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [("b", "2"), *((f"{n}" * 50, "1" * 5) for n in range(4))]
    file = tmp_path / "a.tsv"
    file.write_text("x\n" + "".join("\t".join(pair) + "\n" for pair in pairs))
    where = partial(places, [CorpusFiles(tsv=str(file))])
    kept, dropped = checked_pairs(pairs, tokenizers, (7, 5), "drop", where)
    assert kept == [("b", "2")]
    assert [line.split(",")[0] for line in dropped] == [
        f"{file}:{line} ({side}" for line in (3, 4, 5, 6) for side in ("source", "target")
    ]
    out = capsys.readouterr().out
    assert out.startswith("Dropped: 4 of 5 pairs do not have 1 to 6 source tokens and 1 to ")
    assert f"{file}:3 (source, 50 tokens: '{'0' * 40}…'), {file}:3 (target, 5 tokens: '1" in out
    assert out.count(str(file)) == 5
    assert out.endswith(" and 3 more\n")
    with pytest.raises(ConfigError, match=rf"^4 of 4 .* {file}:3 \(source"):
        checked_pairs(pairs[1:], tokenizers, (7, 5), "drop", where)


def test_tokens_outside_of_the_vocabulary_are_told() -> None:
    letters = SentencePieceTokenizer.train(["abc"], 99, "char")
    phones = SentencePieceTokenizer.train(["AH B AH B", "AH K"], 6, "word")
    assert phones.vocabulary_size == 6  # four special tokens, AH and B
    pairs = [("abc", "AH B K"), ("cab", "K AH B AH"), ("b", "B")]
    assert unknown_tokens(pairs, (letters, phones)) == [
        "Unknown: 2 of 8 target tokens of the validation are not among the 6 that the model has "
        "(text.target_vocabulary)."
    ]
    assert unknown_tokens(pairs[2:], (letters, phones)) == []


def test_pairs_that_just_fit_are_kept(tokenizers: Tokenizers) -> None:
    pairs = [("a" * 6, "1" * 4), ("b", "2")]
    assert checked_pairs(pairs, tokenizers, (7, 5)) == (pairs, [])


def test_the_sets_of_the_dates_task_share_no_date() -> None:
    config = DatesConfig(seed=3, dev_pairs=211, held_out_pairs=223)
    task = task_of(config)
    assert isinstance(task, Texts)
    training = {target for _, target in islice(task.training_pairs(0), 1999)}
    dev = {target for _, target in task.validation_pairs()}
    held_out = {target for _, target in task.held_out_pairs()}
    assert not training & dev
    assert not training & held_out
    assert not dev & held_out
    assert (len(task.validation_pairs()), len(task.held_out_pairs())) == (211, 223)


def test_epochs_and_seeds_have_different_pairs() -> None:
    def some(seed: int, epoch: int) -> list[Pair]:
        return list(islice(Dates(DatesConfig(seed=seed)).training_pairs(epoch), 17))

    assert some(1, 0) == some(1, 0)
    assert len({tuple(some(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
