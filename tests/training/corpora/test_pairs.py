from __future__ import annotations

import gzip
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from training.corpora.pairs import Corpus, CorpusFiles, Pair, places, read_corpus
from training.corpora.report import CorpusReport, Problem
from training.program import CorpusError

BOM = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths, so that messages can be typed out."""
    monkeypatch.chdir(tmp_path)


def write(name: str, data: bytes) -> str:
    """Write these bytes to a file, compressed if its name says so."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


def tsv(data: bytes, **options: Any) -> CorpusFiles:
    return CorpusFiles(tsv=[write("a.tsv", data)], **options)


def aligned(source: bytes, target: bytes) -> CorpusFiles:
    return CorpusFiles(source=[write("a.de", source)], target=[write("a.en", target)])


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        (b"a\tb\nc\td\n", [("a", "b"), ("c", "d")]),
        (b"a\tb\nc\td", [("a", "b"), ("c", "d")]),
        (b"a\tb\r\nc\td\r\r\n", [("a", "b"), ("c", "d\r")]),
        (BOM + b"a\tb\n" + BOM + b"c\td\n", [("a", "b"), ("\ufeffc", "d")]),
        (" a \t\u00a0b \n".encode(), [(" a ", "\u00a0b ")]),
        ("a\u2028b\x0b\tc\u0085\x1cd\re\n".encode(), [("a\u2028b\x0b", "c\u0085\x1cd\re")]),
        ("é👍🏽\tשלום\n".encode(), [("é👍🏽", "שלום")]),
    ],
)
def test_lines_are_kept_as_they_are(data: bytes, pairs: list[Pair]) -> None:
    corpus = read_corpus(tsv(data))
    assert corpus == Corpus(pairs, CorpusReport(("a.tsv",), len(pairs), len(pairs), ()))
    source, target = (
        b"\n".join(line.split(b"\t")[side] for line in data.removesuffix(b"\n").split(b"\n"))
        for side in (0, 1)
    )
    if b"\r" not in data:
        assert read_corpus(aligned(source, BOM + target)).pairs == pairs


def test_aligned_files_and_globs_are_read_in_order() -> None:
    for name, text in (("2", b"c\n"), ("10", b"b\n"), ("1", b"a")):
        write(f"deep/parts/{name}.de", text)
        write(f"deep/parts/{name}.en.gz", text.upper())
    Path("deep/parts/0.de").mkdir()  # no file
    first = write("x[1].de", b"d\ne\n"), write("x[1].en", b"D\nE\n")  # a name, not a pattern
    write("x1.de", b"wrong\n")
    files = CorpusFiles(source=[first[0], "deep/parts/*.de"], target=[first[1], "**/?*.en.gz"])
    corpus = read_corpus(files)
    assert corpus.pairs == [("d", "D"), ("e", "E"), ("a", "A"), ("b", "B"), ("c", "C")]
    names = [f"deep/parts/{n}.{end}" for n in (1, 10, 2) for end in ("de", "en.gz")]
    assert corpus.report == CorpusReport((*first, *names), 5, 5, ())
    absolute = CorpusFiles([str(Path("deep/parts/*.de").absolute())], ["deep/parts/*.en.gz"])
    assert read_corpus(absolute).pairs == corpus.pairs[2:]


@pytest.mark.parametrize(
    ("options", "pair"),
    [
        ({"columns": (0, 1)}, ("a", "b")),
        ({"columns": [2, 0]}, ("c", "a")),
        ({"columns": (2, 0), "swap": True}, ("a", "c")),
    ],
)
def test_columns_are_chosen(options: dict[str, Any], pair: Pair) -> None:
    data = b"a\tb\tc\t\xff\r\n"  # columns that are not selected are not checked
    assert read_corpus(tsv(data, **options)).pairs == [pair]
    assert read_corpus(tsv(b"a\tb\n", swap=True)).pairs == [("b", "a")]


CREDIT = "CC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM) & #1158250 (Wittydev)"


def test_the_attribution_of_manythings_is_no_third_text() -> None:
    """The lines of `fra.txt` as they are; no other third column is ignored without being named."""
    data = f"Go.\tVa !\t{CREDIT}\nHi.\tSalut !\t{CREDIT}\nRun!\tCours !\n".encode()
    pairs = [("Go.", "Va !"), ("Hi.", "Salut !"), ("Run!", "Cours !")]
    assert read_corpus(tsv(data)).pairs == pairs
    assert read_corpus(tsv(data, swap=True)).pairs == [(b, a) for a, b in pairs]
    assert places([tsv(data)], [pairs[1]]) == {pairs[1]: [("a.tsv:2", "a.tsv:2")]}
    with pytest.raises(CorpusError, match=r"a.tsv:1 \(3 columns\)\n.*set columns=\(0, 1\)\.$"):
        read_corpus(tsv(b"1276\tGo.\tVa !\n"))
    with pytest.raises(CorpusError, match=r"a.tsv:1 \(4 columns\)\n.* set --columns 0 1\.$"):
        read_corpus(tsv(f"Go.\tVa !\t\t{CREDIT}".encode()), "drop", columns="--columns 0 1")


def test_problems_of_columns_are_reported_by_line() -> None:
    files = tsv(
        b"one\tuno\n"
        b"two\n"
        b"three\ttres\tCC-BY\n"
        b"\n"
        b"\xff\tcinco\n"
        b" \t\xe2\x80\x83\r\n"
        b"seven\tsie\xc3\n"
        b"eight\tocho\n"
        b"ni\0ne\tnueve\n"
    )
    corpus = read_corpus(files, on_problem="drop")
    assert corpus.pairs == [("one", "uno"), ("eight", "ocho")]
    assert corpus.report == CorpusReport(
        ("a.tsv",),
        9,
        2,
        (
            Problem("columns", "a.tsv", 2, "1 columns"),
            Problem("columns", "a.tsv", 3, "3 columns"),
            Problem("columns", "a.tsv", 4, "1 columns"),
            Problem("encoding", "a.tsv", 5, "source"),
            Problem("empty", "a.tsv", 6, "source"),
            Problem("empty", "a.tsv", 6, "target"),
            Problem("encoding", "a.tsv", 7, "target"),
            Problem("nul", "a.tsv", 9, "source"),
        ),
    )
    assert str(corpus.report).splitlines() == [
        "9 lines read, 2 usable, 7 not",
        "  not UTF-8 (2): a.tsv:5 (source), a.tsv:7 (target)",
        "  NUL characters, as in UTF-16 (1): a.tsv:9 (source)",
        "  wrong number of columns (3): a.tsv:2 (1 columns), a.tsv:3 (3 columns), "
        "a.tsv:4 (1 columns)",
        "  empty (2): a.tsv:6 (source), a.tsv:6 (target)",
    ]
    with pytest.raises(CorpusError) as error:
        read_corpus(files)
    assert str(corpus.report) in str(error.value)
    wide = read_corpus(tsv(b"a\tb\nc\td\te\n", columns=(0, 2)), on_problem="drop")
    assert wide.report.problems == (Problem("columns", "a.tsv", 1, "2 columns"),)


def test_problems_of_aligned_files_name_the_file_of_the_side() -> None:
    files = CorpusFiles(
        source=[write("1.de.gz", b"a\n\xc0\xaf\nc\n"), write("2.de", b"d\n\n")],
        target=[write("1.en", b"A\n \n\n"), write("2.en", b"D\nE\n")],
    )
    corpus = read_corpus(files, on_problem="drop")
    assert corpus.pairs == [("a", "A"), ("d", "D")]
    assert [str(problem) for problem in corpus.report.problems] == [
        "1.de.gz:2 (source)",
        "1.en:2 (target)",
        "1.en:3 (target)",
        "2.de:2 (source)",
    ]
    assert (corpus.report.lines, corpus.report.kept, corpus.report.dropped) == (5, 2, 3)


@pytest.mark.parametrize(
    ("found", "more"), [(5, ""), (6, " and 1 more"), (1234, " and 1,229 more")]
)
def test_a_report_names_the_first_few(found: int, more: str) -> None:
    problems = tuple(Problem("empty", "a", n, "source") for n in range(1, found + 1))
    places = ", ".join(f"a:{n} (source)" for n in range(1, 6))
    assert str(CorpusReport(("a",), 11111 + found, 11111, problems)).splitlines() == [
        f"{11111 + found:,} lines read, 11,111 usable, {found:,} not",
        f"  empty ({found:,}): {places}{more}",
    ]


def test_every_line_is_kept_or_reported() -> None:
    generator = random.Random(7)
    cells = [b"a", b"bc", b"", b" ", b"\xff", b"\0", b"x" * 17, "é".encode()]
    lines = [
        b"\t".join(generator.choices(cells, k=generator.choice([1, 2, 2, 2, 2, 3])))
        for _ in range(1009)
    ]
    corpus = read_corpus(tsv(b"\n".join(lines) + b"\n"), on_problem="drop")
    bad = {problem.line for problem in corpus.report.problems}
    good = [lines[n - 1].decode() for n in range(1, 1010) if n not in bad]
    assert ["\t".join(pair) for pair in corpus.pairs] == good
    assert corpus.report.lines == 1009 == len(good) + len(bad)
    assert (corpus.report.kept, corpus.report.dropped) == (len(good), len(bad))
    assert all(line.count("\t") == 1 for line in good)
    assert all(cell.strip() for line in good for cell in line.split("\t"))
    assert all(corpus.report.of(kind) for kind in ("encoding", "nul", "columns", "empty"))


@pytest.mark.parametrize("on_problem", ["error", "drop"])
def test_what_cannot_be_aligned_or_read_is_always_an_error(on_problem: Any) -> None:
    def message(files: CorpusFiles) -> str:
        with pytest.raises(CorpusError) as error:
            read_corpus(files, on_problem=on_problem)
        return str(error.value)

    longer = message(aligned(b"a\nb\n", b"A\nB\n\n"))
    assert longer.endswith("Received: a.de with 2 lines, a.en with 3 lines")
    shorter = message(aligned(b"a\n" * 1013, b""))
    assert shorter.endswith("Received: a.de with 1,013 lines, a.en with 0 lines")
    two = CorpusFiles(source=["a.de"], target=["a.en", write("b.en", b"")])
    assert "1 source files ['a.de'], 2 target files ['a.en', 'b.en']" in message(two)
    for pattern in ("absent.en", "absent-*.en", "."):
        text = f"`target` must name existing files. There is no file '{pattern}' in "
        assert text in message(CorpusFiles(["a.de"], [pattern]))
    Path("torn.gz").write_bytes(gzip.compress(b"a\tb\n" * 9)[:-9])
    Path("plain.gz").write_bytes(b"a\tb\n")
    Path("broken.gz").write_bytes(gzip.compress(b"a\tb\n" * 9)[:10] + b"\xff" * 17)
    for name in ("torn.gz", "plain.gz", "broken.gz"):
        assert f"The file {name} cannot be read" in message(CorpusFiles(tsv=[name]))


@pytest.mark.parametrize("on_problem", ["error", "drop"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_utf_16_is_never_a_corpus(name: str, on_problem: Any) -> None:
    """With a byte order mark, the encoding is named; without one, no line is text."""
    text = "a cat\tun chat\n" * 53
    files = CorpusFiles(tsv=write(name, text.encode("utf-16")))
    with pytest.raises(CorpusError, match=f"^The file {name} is UTF-16, but text must be UTF-8"):
        read_corpus(files, on_problem)
    for encoding in ("utf-16-le", "utf-16-be"):
        write(name, text.encode(encoding))
        with pytest.raises(CorpusError, match=r": 5[34] lines read, 0 usable") as error:
            read_corpus(files, on_problem)
        assert "NUL characters, as in UTF-16 (106)" in str(error.value)
    write("b.txt", text.encode())
    both = CorpusFiles(source=write(name, text.encode("utf-16")), target="b.txt")
    with pytest.raises(CorpusError, match=f"^The file {name} is UTF-16"):
        read_corpus(both, on_problem)


@pytest.mark.parametrize("data", [b"", BOM, b"a, b\nc, d\n"])
def test_a_corpus_without_any_pair_is_an_error(data: bytes) -> None:
    with pytest.raises(
        CorpusError, match=r"^There are no valid pairs in a.tsv: [02] lines read, 0 usable"
    ):
        read_corpus(tsv(data), on_problem="drop")


@pytest.mark.parametrize("data", [b"a, b\nc, d\n", "a\tb\n".encode("utf-16-le")])
def test_to_drop_every_line_is_no_advice(data: bytes) -> None:
    with pytest.raises(CorpusError, match=r"^There are no valid pairs in a\.tsv") as error:
        read_corpus(tsv(data), advice=["Drop them."])
    assert "Drop them" not in str(error.value)
    with pytest.raises(CorpusError, match=r"^Some lines are not valid pairs.*\n[\s\S]*Drop them"):
        read_corpus(tsv(b"a\tb\n" + data), advice=["Drop them."])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"Either .* Received: source=\(\), target=\(\), tsv=\(\)"),
        ({"source": ["a"]}, "Either `source` and `target`, or `tsv`, or `shards`"),
        (
            {"source": ["a"], "target": ["b"], "tsv": ["c"]},
            r"Either `source` and `target`, or .*\(data.train.source=null data.train.target=null",
        ),
        (
            {"target": ["b"], "tsv": ["c"]},
            "Either `source` and `target`, or `tsv`, or `shards` must be given",
        ),
        ({"tsv": ["a"], "shards": "b"}, r"must be given, and nothing else; use null.*shards=b"),
        ({"source": ["a"], "target": ["b"], "swap": True}, "`swap` requires `tsv`.*swap=True"),
        ({"source": ["a"], "target": ["b"], "columns": (0, 1)}, "`columns` requires `tsv`"),
        ({"tsv": ["a"], "columns": (1, 1)}, r"two different numbers.*columns=\(1, 1\)"),
        ({"tsv": ["a"], "columns": (0, -1)}, r"two different numbers.*columns=\(0, -1\)"),
    ],
)
def test_files_that_make_no_corpus_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CorpusFiles(**arguments)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="on_problem='ignore'"):
        read_corpus(tsv(b"a\tb\n"), on_problem="ignore")


def test_files_are_read_from_a_recipe_and_written_to_one() -> None:
    adapter = TypeAdapter(CorpusFiles)
    files = adapter.validate_python(yaml.safe_load("{tsv: [a.tsv, b/*.tsv], columns: [0, 2]}"))
    assert files == CorpusFiles(tsv=("a.tsv", "b/*.tsv"), columns=(0, 2))
    assert adapter.validate_python(yaml.safe_load(yaml.safe_dump(asdict(files)))) == files
    one = adapter.validate_python(yaml.safe_load("{tsv: a.tsv, source: null, target: []}"))
    assert one == CorpusFiles(tsv="a.tsv") == CorpusFiles(tsv=("a.tsv",))
    for wrong in (3, {"a": "b"}, [3]):
        with pytest.raises(ValidationError, match="tsv"):
            adapter.validate_python({"tsv": wrong})


def test_the_places_of_pairs() -> None:
    files = aligned(b"a\n\nc\na\n", b"A\nB\nC\nA\n")  # the second line is not a pair
    assert places([files], [("a", "A"), ("c", "C"), ("c", "D")]) == {
        ("a", "A"): [("a.de:1", "a.en:1"), ("a.de:4", "a.en:4")],
        ("c", "C"): [("a.de:3", "a.en:3")],
    }
    tsv = CorpusFiles(tsv=write("b.tsv", b"x\ty\n"))
    assert places([tsv], [("x", "y")]) == {("x", "y"): [("b.tsv:1", "b.tsv:1")]}
    assert places([], [("x", "y")]) == {}


@pytest.mark.parametrize(
    ("source", "target", "lines"),
    [
        ("multi30k/train.de", "multi30k/train.en", 29_000),
        ("multi30k/val.de", "multi30k/val.en", 1_014),
        ("tatoeba/train.tsv", None, 113_785),
        ("tatoeba/dev.tsv", None, 1_749),
        ("tatoeba/test.tsv", None, 1_727),
    ],
)
def test_real_corpora_lose_nothing(
    corpora: Path, source: str, target: str | None, lines: int
) -> None:
    if not (corpora / source).is_file():
        pytest.skip(f"no {source} in {corpora}")
    if target is None:
        files = CorpusFiles(tsv=[str(corpora / source)])
    else:
        files = CorpusFiles(source=[str(corpora / source)], target=[str(corpora / target)])
    corpus = read_corpus(files)
    assert (len(corpus.pairs), corpus.report.problems) == (lines, ())
