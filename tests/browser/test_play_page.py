"""What a learner does on the page docs/play: every knob is turned, and its consequence read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.browser.chromium import needs_chromium
from tests.browser.playing import PAGE, play
from tests.documents import DOCUMENTS, ROOT
from tests.variants import variants

pytestmark = needs_chromium
LONG = (
    "don't eat the delicious looking and smelling pizza and buy the big cold soup "
    "and don't cut the red cake"
)
SHARES = ["texts", "tbody td:nth-child(4)"]
WORDS = ["texts", ".words button"]
NEXT = ["texts", ".candidates .written .word"]
LIVE = ["waitForTimeout", 350], ["textContent", "#live"]
FIRST = "tbody tr:nth-child(1) .share"


def state(text: str, **items: Any) -> str:
    """The address of a state."""
    given = {"text": text.replace(" ", "+"), **items}
    return "#" + "&".join(f"{name}={value}" for name, value in given.items())


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("\u202f%", "")) for text in texts]


def test_types_a_sentence(tmp_path: Path) -> None:
    _, before, _, after, said, _, unknown, _, many, _, empty, _, half, _, marks = play(
        tmp_path,
        ["open", state("eat the pizza")],
        WORDS,
        ["fill", "#text", "don't buy the old cake"],
        WORDS,
        ["textContent", "#said"],
        ["fill", "#text", "eat the burger"],
        ["textContent", "#said"],
        ["fill", "#text", "a the b the a the c the d the e"],
        ["textContent", "#said"],
        ["fill", "#text", " "],
        ["textContent", "#said"],
        ["fill", "#text", "don't"],
        ["textContent", "#outputs .note"],
        ["fill", "#text", "Don’t buy the old cake!"],
        WORDS,
    )
    assert before == ["iss", "die", "Pizza", "⏎"]
    assert after == ["kauf", "die", "alte", "Torte", "nicht", "⏎"]
    assert said == ""
    assert "does not know “burger”" in unknown
    assert "“a”, “b”, “c”, and 2 more" in many
    assert "type a sentence" in empty
    assert half == "The right answer is not known here."
    assert marks == after


def test_chooses_translator_and_score(tmp_path: Path) -> None:
    _, formula, _, other, _, dates, _, lecture = play(
        tmp_path,
        ["open"],
        ["textContent", ".side .sources code"],
        ["selectOption", "#score", "additive"],
        ["textContent", ".side .sources code"],
        ["check", "input[value=dates]"],
        WORDS,
        ["check", "input[value=lecture]"],
        WORDS,
    )
    assert (formula, other) == ("score(q, k) = q · k", "score(q, k) = v · tanh(q W_q + k W_m)")
    assert "".join(dates) == "1989-07-14⏎"
    assert lecture == ["vamos", "⏎"]


def test_goes_through_the_steps(tmp_path: Path) -> None:
    reads = ["textContent", "#parts .side, #parts section:first-child .sides"]
    found = play(
        tmp_path,
        ["open", state("don't eat the pizza")],
        reads,
        ["click", "#forward"],
        reads,
        ["focus", "#step"],
        ["type", "ArrowRight"],
        reads,
        NEXT,
        ["click", "#back"],
        reads,
        ["click", ".words li:nth-child(4) button"],
        NEXT,
        *LIVE,
        ["click", "#picture [data-step='2'] text"],
        NEXT,
    )
    first, second, third, wrote = found[1], found[3], found[6], found[7]
    assert "It reads ⏎, the end token" in first
    assert "It reads iss." in second
    assert "It reads die." in third
    assert wrote == ["Pizza"]
    assert "It reads iss." in found[9]
    assert found[11] == ["nicht"]
    assert found[-3].startswith("Step 4: dot product looks most at ")
    assert found[-1] == ["die"]


def test_drags_a_share_and_lets_go(tmp_path: Path) -> None:
    """The first step of two commands is turned from the first verb to the second."""
    second = "tbody tr:nth-child(7) .share"
    _, own, wrote, _, forced, writes, note, _, back, again = play(
        tmp_path,
        ["open", state("buy the cold soup and cut the cake", step=1)],
        SHARES,
        NEXT,
        ["drag", second, 0.03, 0.99],
        SHARES,
        NEXT,
        ["textContent", "#part-next ~ .sides .note"],
        ["click", "#let-go"],
        SHARES,
        NEXT,
    )
    assert wrote == again == ["kauf"]
    assert back == own
    assert numbers(forced)[6] > 95
    assert sum(numbers(forced)) == pytest.approx(100, abs=1)
    assert writes == ["schneide"]
    assert note == "Without your changes it would write kauf."


def test_holds_a_share_by_keyboard_and_by_touch(tmp_path: Path) -> None:
    second = "tbody tr:nth-child(7) .share"
    found = play(
        tmp_path,
        ["open", state("buy the cold soup and cut the cake", step=1)],
        ["focus", second],
        ["type", "End"],
        NEXT,
        ["getAttribute", second, "aria-valuetext"],
        ["type", "Escape"],
        NEXT,
        ["touch", second, 0.98],
        NEXT,
        ["click", "#untouched"],
        NEXT,
    )
    assert (found[3], found[6], found[8], found[10]) == (
        ["schneide"],
        ["kauf"],
        ["schneide"],
        ["kauf"],
    )
    assert found[4] == "100\u202f%, held"


def test_the_rest_is_shared_in_proportion(tmp_path: Path) -> None:
    held = "heldShares([0.5, 0.3, 0.2, 0], {'1': 0.6}, [true, true, true, false])"
    two = "hold({'1': 0.6, '2': 0.2}, 3, 0.5)"
    _, shares, places = play(tmp_path, ["open"], ["evaluate", held], ["evaluate", two])
    assert shares == pytest.approx([0.6, 0.24, 0.16, 0])
    assert places == pytest.approx({"1": 0.375, "2": 0.125, "3": 0.5})


def test_temperature_from_hardmax_to_uniform(tmp_path: Path) -> None:
    _, _, _, hard, _, even, said, _, equally, _, usual = play(
        tmp_path,
        ["open", state("don't eat the big pizza", step=2)],
        ["focus", "#temperature"],
        ["type", "Home"],
        SHARES,
        ["type", "End"],
        SHARES,
        ["textContent", "#temperature-is"],
        *LIVE,
        ["click", "#untouched"],
        SHARES,
    )
    assert sorted(numbers(hard)) == [0, 0, 0, 0, 0, 100]
    assert set(numbers(even)) == {17}
    assert said == "infinite (uniform)"
    assert "dot product looks at 6 words equally and writes" in equally
    assert max(numbers(hard)) > max(numbers(usual)) > 17


def test_a_word_masked_out(tmp_path: Path) -> None:
    place = "tbody tr:nth-child(3) input[type=checkbox]"
    _, own, _, masked, disabled, _, back = play(
        tmp_path,
        ["open", state("don't eat the big pizza", step=1)],
        SHARES,
        ["uncheck", place],
        SHARES,
        ["isDisabled", "tbody tr:nth-child(3) .share"],
        ["check", place],
        SHARES,
    )
    assert numbers(own)[2] > 0
    assert numbers(masked)[2] == 0
    assert sum(numbers(masked)) == pytest.approx(100, abs=1)
    assert disabled
    assert back == own


def test_without_attention_wrong_words_are_marked(tmp_path: Path) -> None:
    wrong = ["values", ".words .wrong", "aria-label"]
    note = ["textContent", "#outputs .note"]
    _, short, short_note, _, long, long_note, _, attentive, attentive_note = play(
        tmp_path,
        ["open", state("don't eat the pizza", score="none")],
        wrong,
        note,
        ["open", state(LONG, score="none")],
        wrong,
        note,
        ["selectOption", "#score", "dot"],
        wrong,
        note,
    )
    assert short == attentive == []
    assert short_note == attentive_note == "All of it is right."
    assert len(long) >= 3
    assert all(name.endswith(", wrong") for name in long)
    assert "Right: iss die lecker aussehende" in long_note


def test_two_scores_side_by_side(tmp_path: Path) -> None:
    _, names, shares, _, alone = play(
        tmp_path,
        ["open", state(LONG, score="cosine", beside="dot", step=7)],
        ["texts", "#outputs h3"],
        SHARES,
        ["selectOption", "#beside", ""],
        ["texts", "#outputs h3"],
    )
    assert names == ["cosine", "dot product"]
    assert alone == ["cosine"]
    cosine, dot = numbers(shares)[:21], numbers(shares)[21:]
    assert max(dot) > 2 * max(cosine)  # the cosine cannot point
    assert max(cosine) / max(min(cosine), 0.1) <= math.e**2 * 1.05


def test_a_state_has_an_address(tmp_path: Path) -> None:
    seen = [["inputValue", "#text"], ["inputValue", "#beside"], ["textContent", "#step-is"]]
    seen += [["textContent", "#temperature-is"], SHARES]
    found = play(
        tmp_path,
        ["open", state("don't eat the big pizza", beside="general")],
        ["click", "#forward"],
        ["focus", "#temperature"],
        ["type", "ArrowLeft"],
        ["uncheck", "tbody tr:nth-child(2) input[type=checkbox]"],
        ["focus", FIRST],
        ["type", "End"],
        *seen,
        ["waitForTimeout", 400],
        ["evaluate", "location.hash === document.getElementById('address').hash"],
        ["evaluate", "location.hash"],
    )
    before, (is_shown, address) = found[7:12], found[-2:]
    assert is_shown
    assert before[0] == "don't eat the big pizza"
    assert before[2] == "Step 2 of 6"
    assert before[3] == "0.89"
    assert numbers(before[4])[:2] == [100, 0]
    assert play(tmp_path, ["open", address], *seen)[1:] == before


def test_the_picture_is_saved(tmp_path: Path) -> None:
    dark = ["emulateMedia", {"colorScheme": "dark"}]
    opened = ["open", state("don't eat the pizza", beside="cosine", step=4)]
    *_, text = play(tmp_path, dark, opened, ["saved", "#save"])
    root = ElementTree.fromstring(text)
    written = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    for word in ("dot product", "cosine", "don't", "pizza", "nicht", "⏎"):
        assert word in written
    assert "nicht looked at " in root.attrib["aria-label"]
    assert "#ffffff" in text  # on white, whatever the screen's colours


HOSTILE = "<img src=x onerror='hasRun=1'>&\"]]><script>hasRun=1</script>"


def test_what_a_stranger_put_into_an_address_stays_text(tmp_path: Path) -> None:
    code = f"location.hash = '#text=' + encodeURIComponent({HOSTILE!r})"
    nonsense = "#translator=constructor&score=__proto__&beside=toString&step=-5"
    nonsense += "&temperature=x&shares=1:9:7,a&hidden=b"
    _, _, _, said, found, has_run, text, _, wrote = play(
        tmp_path,
        ["open"],
        ["evaluate", code],
        ["waitForTimeout", 400],
        ["textContent", "#said"],
        ["evaluate", "document.querySelectorAll('#parts img, #picture img, main script').length"],
        ["evaluate", "'hasRun' in window"],
        ["saved", "#save"],
        ["open", nonsense],
        WORDS,
    )
    assert "<img" in said
    assert (found, has_run) == (0, False)
    ElementTree.fromstring(text)
    assert wrote[0] == "iss"


@variants(
    ("scheme", "width"), [("light", 1100), ("dark", 360), ("light", 360), ("dark", 1100)], core=2
)
def test_made_for_people(tmp_path: Path, scheme: str, width: int) -> None:
    wide = ["evaluate", "document.documentElement.scrollWidth"]
    states = [
        state(LONG, score="none", beside="dot", step=8),
        state("let's go", translator="lecture", temperature=2, shares="1:1:0.8", hidden=2),
        state("le 14 juillet 1989", translator="dates", score="additive", step=3),
    ]
    actions = [action for each in states for action in (["open", each], ["axe"], wide)]
    size = ["setViewportSize", {"width": width, "height": 800}]
    opened = [
        "evaluate",
        "document.querySelectorAll('details').forEach((one) => (one.open = true))",
    ]
    found = play(
        tmp_path, ["emulateMedia", {"colorScheme": scheme}], size, *actions, opened, ["axe"], wide
    )
    assert [problems for problems in found if isinstance(problems, list)] == [[]] * 4
    assert {x for x in found if isinstance(x, int)} == {width}


def test_the_answers_to_its_questions_are_on_the_page(tmp_path: Path) -> None:
    """What the texts say of each address is what is seen there."""
    address = "([, to]) => addressOf({ ...PLAIN, ...to })"
    links = ["evaluate", f"QUESTIONS.map(({{ links }}) => links.map({address}))"]
    _, (dont, softmax, cosine, year, other) = play(tmp_path, ["open"], links)
    every = [link for question in (dont, softmax, cosine, year, other) for link in question]
    assert set(read(play(tmp_path, *_each(every, ["textContent", "#said"])))) == {""}
    rows = ["evaluate", "sides.map(({ result }) => result.steps.map(({ weights }) => weights))"]
    notes = ["texts", "#outputs .note"]
    short, long = read(play(tmp_path, *_each(dont, notes)))
    assert short == ["All of it is right."] * 2
    assert "nicht" in long[0].split("Missing: ")[1].split(".")[0]
    assert long[1] == "All of it is right."
    usual, hot, hard, even = (
        max(numbers(x)) for x in read(play(tmp_path, *_each(softmax, SHARES)))
    )
    assert hard == 100 > usual > hot > even
    pointed = [
        [max(map(max, side)) for side in x] for x in read(play(tmp_path, *_each(cosine[:1], rows)))
    ]
    assert pointed[0][0] < 0.5 < pointed[0][1]
    first, early, second = read(play(tmp_path, *_each(year, rows)))
    assert all(_most(shares) in range(6) for shares in early[0][:4])  # 2088/0
    assert all(_most(shares) in range(14, 19) for shares in first[0][:4])  # 1989 and the end
    assert all(_most(shares) in range(18, 23) for shares in second[0][:4])  # 2019 and the end
    (wrote,) = read(play(tmp_path, *_each(other, NEXT)))
    assert wrote == ["schneide"]


def test_a_question_leads_to_what_it_asks_for(tmp_path: Path) -> None:
    """However fast its link is clicked, and whatever was changed just before."""
    link = "#questions details:nth-child(1) a:nth-of-type(2)"
    found = play(
        tmp_path,
        ["open"],
        ["click", "#questions details:nth-child(1) summary"],
        ["click", "#forward"],
        ["click", link],
        ["waitForTimeout", 600],
        ["inputValue", "#text"],
        ["textContent", "#step-is"],
        ["textContent", "#look"],
        *LIVE,
        ["click", "#look button"],
        ["evaluate", "document.activeElement.textContent"],
    )
    assert found[5].endswith("and don't cut the old soup")
    assert found[6].startswith("Step 16 of")
    assert "Look for: the words marked wrong" in found[7]
    assert "dot product looks most at don't₃ (" in found[9]
    assert found[11] == "Why is “don't” lost without attention?"


def test_the_documents_lead_to_states_that_exist(tmp_path: Path) -> None:
    links = [
        link
        for document in DOCUMENTS
        for link in re.findall(
            r'href="play/index.html(#[^"]+)"', (ROOT / document).read_text("utf-8")
        )
    ]
    assert len(links) >= 6
    code = f"{json.dumps(links)}.map((link) => addressOf(stateOf(link)))"
    _, found = play(tmp_path, ["open"], ["evaluate", code])
    for link, address in zip(links, found, strict=True):
        assert set(link[1:].split("&")) - {"score=dot"} <= set(address[1:].split("&"))


def _each(addresses: list[str], action: list[Any]) -> Iterator[list[Any]]:
    for address in addresses:
        yield ["open", address]
        yield action


def read(results: list[Any]) -> list[Any]:
    return results[1::2]


def _most(shares: list[float]) -> int:
    return shares.index(max(shares))


def test_the_python_that_it_shows_is_there(tmp_path: Path) -> None:
    code = "[...Object.values(SCORE_TEXTS), ...Object.values(PARTS)].map((each) => each.python)"
    _, shown = play(tmp_path, ["open"], ["evaluate", f"{code}.filter(Boolean)"])
    assert len(shown) == 10
    for file, _, line in shown:
        assert line in (ROOT / file).read_text(encoding="utf-8"), file


def test_the_folder_is_small_and_by_itself() -> None:
    files = sorted(PAGE.parent.iterdir())
    assert sum(file.stat().st_size for file in files) < 1e6
    loaded = PAGE.read_text(encoding="utf-8")
    assert "http" not in loaded.split("</head>")[0].replace("http-equiv", "")
    assert all(f'"{file.name}"' in loaded for file in files if file != PAGE)
