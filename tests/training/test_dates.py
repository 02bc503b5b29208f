"""The dates task: one answer per string, Babel's texts, held-out dates, known fields."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby, islice, pairwise
from typing import Any

import numpy as np
import pytest
import sentencepiece
from babel.dates import format_date

from training.dates import (
    FIRST_DAY,
    LAST_DAY,
    LOCALES,
    SPLITS,
    TARGET_CHARACTERS,
    TARGET_LENGTH,
    field_hits,
    generate,
    maximum_source_length,
    source_characters,
    split_of,
    templates,
    variants,
)
from training.dates.names import conflicting_names, month_table, normalize
from training.dates.patterns import (
    MONTH,
    compile_pattern,
)

ALL_TEMPLATES = [template for locale in LOCALES for template in templates(locale)]


def days_of(year: int) -> Iterator[date]:
    first = date(year, 1, 1)
    return (first + timedelta(n) for n in range((date(year + 1, 1, 1) - first).days))


def index_of(day: date) -> tuple[int, int, int, int, int]:
    return (day.year - 1900, day.month - 1, day.day - 1, day.weekday(), 0)


# --- Every source has exactly one right answer ---


@pytest.mark.thorough
def test_every_pattern_of_every_locale_over_whole_years_maps_a_source_to_one_target() -> None:
    answers: dict[str, str] = {}
    for year in (1900, 2000, 2011, 2012, 2020, 2100):
        for day in days_of(year):
            for example in variants(day):
                for form in (example.source, normalize(example.source).lower()):
                    assert answers.setdefault(form, example.target) == example.target, form
    assert len(answers) > 300_000


def test_the_only_long_number_is_the_year_so_years_cannot_be_confused() -> None:
    for day in days_of(2012):
        for example in variants(day):
            assert re.findall(r"\d{3,}", example.source) == ["2012"], example.source


def test_a_month_name_means_one_month_in_all_locales() -> None:
    meanings: dict[str, set[int]] = {}
    for template in ALL_TEMPLATES:
        for part in template.parts:
            if part.slot == MONTH:
                for month, name in enumerate(part.texts):
                    meanings.setdefault(name.lower().rstrip("."), set()).add(month)
    assert len(meanings) > 150
    assert {name: months for name, months in meanings.items() if len(months) > 1} == {}


def test_conflicting_month_names_are_found() -> None:
    assert conflicting_names(["pl", "hr"]) == {"lip", "lis", "listopad", "listopada"}
    assert conflicting_names(["es", "fr", "it", "sv"]) == frozenset()


def test_a_conflicting_abbreviation_gives_way_to_the_unabbreviated_name() -> None:
    conflicts = frozenset({"lip", "lis"})
    months = month_table("pl", "format", "abbreviated", conflicts)
    assert months[5:7] == ["cze", "lipca"]
    assert months[9:12] == ["paź", "listopada", "gru"]


def test_a_locale_whose_unabbreviated_name_is_in_conflict_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: region='pl' with \['listopada'\]"):
        month_table("pl", "format", "wide", conflicting_names(["pl", "hr"]))


@pytest.mark.parametrize(
    "pattern", ["M/d/y", "E, M/d/yy", "MM-dd-y", "y/d/M", "MMMM y", "d MMM y G"]
)
def test_patterns_without_one_reading_are_left_out(pattern: str) -> None:
    assert compile_pattern("en", "en", pattern, frozenset()) is None


def test_numbers_read_day_first_unless_the_year_leads_and_years_get_four_digits() -> None:
    sources = {example.source for example in variants(date(1979, 5, 3))}
    assert {"3/5/1979", "03.05.1979", "3-5-1979", "1979-05-03", "1979/5/3"} <= sources
    assert not {"5/3/1979", "05/03/1979", "3/5/79", "1979-03-05"} & sources


# --- The texts ---


def test_texts_are_what_babel_writes() -> None:
    days = [date(1900 + 17 * month, month, day) for month in range(1, 12) for day in (1, 9, 28)]
    days += [date(2024, 2, 29), date(2099, 12, 31), date(2000, 9, 4)]
    compared = 0
    for template in ALL_TEMPLATES:
        if "ddd" in template.pattern:
            continue
        for day in days:
            written = normalize(format_date(day, template.pattern, locale=template.region))
            assert template.render(index_of(day))[0] == written
            assert template.lower().render(index_of(day))[0] == written.lower()
            compared += 1
    assert compared > 130 * len(days)


@pytest.mark.parametrize("length", ["full", "long", "medium", "short"])
def test_the_standard_lengths_of_every_locale_are_used(length: str) -> None:
    for locale in LOCALES:
        if (locale, length) == ("en", "short"):
            continue  # month/day/year: left out
        written = normalize(format_date(date(1979, 11, 23), length, locale=locale))
        written = re.sub(r"(?<!\d)79$", "1979", written)
        assert written in {v.source for v in variants(date(1979, 11, 23), [locale])}


@pytest.mark.parametrize(
    ("locale", "day", "source"),
    [
        ("en", date(1979, 5, 3), "3rd May 1979"),
        ("en", date(1979, 5, 3), "thursday, may 3rd, 1979"),
        ("en", date(2011, 11, 11), "the 11th of November 2011"),
        ("en", date(2001, 9, 22), "22 Sept 2001"),
        ("de", date(1979, 5, 3), "Donnerstag, den 3. Mai 1979"),
        ("es", date(1979, 5, 1), "1o de mayo de 1979"),
        ("es", date(1979, 5, 2), "2 de mayo del 1979"),
        ("fr", date(1979, 5, 1), "le mardi 1er mai 1979"),
        ("it", date(1979, 5, 1), "martedì 1o maggio 1979"),
        ("pt", date(1979, 5, 1), "1o de maio de 1979"),
        ("nl", date(1979, 3, 3), "zaterdag 3 maart 1979"),
        ("sv", date(1979, 5, 12), "den 12:e maj 1979"),
        ("sv", date(1979, 5, 22), "22:a maj 1979"),
        ("pl", date(1979, 5, 3), "3 maja 1979 r."),
        ("pl", date(1979, 5, 3), "3 maj 1979"),
        ("ja", date(1979, 5, 3), "1979年5月3日(木)"),
        ("ja", date(1979, 5, 3), "1979/05/03"),
    ],
)
def test_forms_that_people_write_occur(locale: str, day: date, source: str) -> None:
    assert source in {example.source for example in variants(day, [locale])}


def test_english_ordinals() -> None:
    ordinals = {
        day: {
            example.source.split()[0]
            for example in variants(date(2020, 1, day), ["en"])
            if re.fullmatch(r"\d+[a-z]+ January 2020", example.source)
        }
        for day in (1, 2, 3, 4, 11, 12, 13, 20, 21, 22, 23, 24, 30, 31)
    }
    expected = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th"]
    expected += ["20th", "21st", "22nd", "23rd", "24th", "30th", "31st"]
    assert [*ordinals.values()] == [{text} for text in expected]


def test_the_tokenizer_sees_one_token_for_each_character() -> None:
    model = io.BytesIO()
    characters = source_characters()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*characters, "3 May 1979"]),
        model_writer=model,
        model_type="char",
        vocab_size=500,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="nmt_nfkc",
        add_dummy_prefix=False,
        minloglevel=2,
    )
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    sources = sorted(
        {v.source for month in range(1, 13) for v in variants(date(2024, month, month))}
    )
    for source, ids in zip(sources, tokenizer.encode(sources), strict=True):
        assert len(ids) == len(source)
        assert tokenizer.unk_id() not in ids
        assert tokenizer.decode(ids) == source


def test_characters_and_maximum_length_are_exact() -> None:
    days = [day for year in (2009, 2012, 2024) for day in days_of(year)]
    sources = {example.source for day in days for example in variants(day)}
    assert "".join(sorted(set("".join(sources)))) == source_characters()
    assert max(map(len, sources)) == maximum_source_length()
    assert maximum_source_length(["ja"]) == 16
    assert set(source_characters(["ja"])) == set("0123456789 ()-./年月日曜火水木金土")


# --- Fields ---


@pytest.mark.parametrize(
    ("locale", "source", "fields"),
    [
        ("en", "Thursday, May 3rd, 1979", "wwwwwwww--mmm-ddd--yyyy"),
        ("en", "the 3rd of May 1979", "----ddd----mmm-yyyy"),
        ("es", "3 de mayo de 1979", "d----mmmm----yyyy"),
        ("pl", "3 maja 1979 r.", "d-mmmm-yyyy---"),
        ("sv", "1979-05-03", "yyyy-mm-dd"),
        ("ja", "1979年5月3日(木)", "yyyy-m-d--w-"),
    ],
)
def test_fields_of_a_source(locale: str, source: str, fields: str) -> None:
    found = {e.source: e.fields for e in variants(date(1979, 5, 3), [locale])}
    assert found[source] == fields


def test_fields_hold_what_the_target_says() -> None:
    for example in generate("train", 5003, seed=11):
        assert len(example.fields) == len(example.source)
        assert set(example.fields) <= set("ymdw-")
        runs = [letter for letter, _ in groupby(example.fields)]
        texts = {
            letter: "".join(
                c for c, f in zip(example.source, example.fields, strict=True) if f == letter
            )
            for letter in "ymdw"
        }
        assert [runs.count(letter) for letter in "ymd"] == [1, 1, 1]
        assert runs.count("w") <= 1
        year, month, day = map(int, example.target.split("-"))
        assert int(texts["y"]) == year
        assert re.findall(r"\d+", texts["d"]) in ([f"{day}"], [f"{day:02}"])
        assert not texts["m"].isdigit() or int(texts["m"]) == month


# --- Sets and drawing ---


def test_sets_have_no_calendar_date_in_common_and_their_shares_are_right() -> None:
    days = [FIRST_DAY + timedelta(n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    sizes = Counter(split_of(day) for day in days)
    assert (days[0], days[-1], len(days)) == (date(1900, 1, 1), date(2100, 12, 31), 73414)
    assert sizes == {"train": 62483, "dev": 3665, "test": 7266}
    drawn = {s: {e.target for e in generate(s, 3001, seed=5)} for s in SPLITS}
    for split, targets in drawn.items():
        assert {split_of(date.fromisoformat(target)) for target in targets} == {split}


def test_the_set_of_a_date_never_changes() -> None:
    days = ["1900-01-01", "1900-01-09", "1900-02-11", "2000-02-29", "2100-12-15", "2100-12-29"]
    assert [split_of(date.fromisoformat(day)) for day in days] == [
        "train",
        "dev",
        "test",
        "train",
        "dev",
        "test",
    ]


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_examples_in_another_process() -> None:
    script = "from training.dates import generate; print(list(generate('dev', 41, seed=7)))"
    environment = os.environ | {"PYTHONHASHSEED": "101", "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert result.stdout.strip() == repr(list(generate("dev", 41, seed=7)))


def test_streams_are_endless_lazy_and_differ_by_seed() -> None:
    assert list(islice(generate("train", None, seed=3), 53)) == list(generate("train", 53, seed=3))
    streams = [[e.target for e in generate("train", 53, seed=seed)] for seed in (0, 1, 2)]
    assert all(one != other for one, other in pairwise(streams))
    assert list(generate("test", 0, seed=0)) == []


def test_locales_are_drawn_evenly_and_one_text_in_four_is_forced_to_lower_case() -> None:
    examples = list(generate("train", 20011, seed=13))
    shares = Counter(example.locale for example in examples)
    assert set(shares) == set(LOCALES)
    assert all(0.09 < shares[locale] / len(examples) < 0.11 for locale in LOCALES)
    german = [e.source for e in examples if e.locale == "de" and re.search("[A-Za-z]", e.source)]
    assert 0.2 < sum(source.islower() for source in german) / len(german) < 0.3
    years = Counter(example.target[:4] for example in examples)
    assert len(years) == 201
    assert {e.locale for e in generate("dev", 97, 0, locales=("sv", "pl"))} == {"sv", "pl"}


def test_targets_are_iso_dates() -> None:
    for example in generate("test", 1009, seed=1):
        assert date.fromisoformat(example.target).isoformat() == example.target
        assert len(example.target) == TARGET_LENGTH
        assert set(example.target) <= set(TARGET_CHARACTERS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("validation", 1, 0), r"`split` must be one of .*Received: split='validation'"),
        (("test", -1, 0), r"`count` must be .*Received: count=-1"),
        (("test", 1, 0, ("en", "xx")), r"`locales` must be .*Received: locales=\('en', 'xx'\)"),
        (("test", 1, 0, ()), r"`locales` must be"),
        (("test", 1, 0, "en"), r"`locales` must be .*Received: locales='en'"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(*arguments)


def test_dates_and_locales_outside_the_task_are_refused() -> None:
    with pytest.raises(ValueError, match="Received: day=2101-01-01"):
        next(variants(date(2101, 1, 1)))
    with pytest.raises(ValueError, match=r"`locale` must be one of .*Received: locale='en_US'"):
        templates("en_US")


# --- Field hits ---


def one_hot(positions: list[int], size: int) -> np.ndarray:
    weights = np.full((len(positions), size), 0.01)
    weights[np.arange(len(positions)), positions] = 0.6
    return weights


#               0123456789012345678
# source        the 3rd of May 1979
# fields        ----ddd----mmm-yyyy
FIELDS = "----ddd----mmm-yyyy"


@pytest.mark.parametrize(
    ("positions", "hits"),
    [
        ([15, 16, 17, 18, 0, 11, 13, 0, 4, 6], 8),
        ([14, 14, 14, 14, 0, 7, 14, 0, 0, 10], 8),  # every separator touches its field
        ([13, 13, 13, 13, 0, 15, 6, 0, 14, 11], 0),
        ([15, 16, 17, 18, 0, 0, 3, 0, 19, 20], 4),  # "the " is not by the month; the end token
    ],
)
def test_hits_by_hand(positions: list[int], hits: int) -> None:
    assert field_hits(FIELDS, "1979-05-03", one_hot(positions, 23)) == (hits, 8)


def test_an_output_of_another_form_counts_what_it_has() -> None:
    assert field_hits(FIELDS, "", np.zeros((3, 19))) == (0, 0)
    assert field_hits(FIELDS, "19", one_hot([15, 3], 19)) == (1, 2)
    assert field_hits(FIELDS, "1-1-1-1", one_hot([15, 0, 11, 0, 4, 0, 4], 19)) == (3, 4)
    assert field_hits("", "7-", one_hot([0, 0], 1)) == (0, 1)


def test_a_row_without_weight_hits_nothing() -> None:
    assert field_hits("yyyy-mm-dd", "1979-05-03", np.zeros((10, 11))) == (0, 8)


def test_identity_attention_on_an_iso_source_hits_every_digit() -> None:
    assert field_hits("yyyy-mm-dd", "1979-05-03", np.eye(10, 13)) == (8, 8)


@pytest.mark.parametrize("shape", [(9, 19), (10, 18), (10,), (2, 10, 19)])
def test_weights_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`weights` must have .*Received: weights.shape="):
        field_hits(FIELDS, "1979-05-03", np.ones(shape))
