"""One decoding, step by step, in the model's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from keras import ops

from keras_attention import scores
from keras_attention.attention import MultiHead
from keras_attention.ids import END_ID, UNKNOWN_ID
from keras_attention.text.translator import pad

if TYPE_CHECKING:
    from keras_attention import SentencePieceTokenizer, Seq2Seq, Translator

COMPARED = {"dot": scores.dot, "cosine": scores.cosine, "scaled_dot": scores.scaled_dot}


@dataclass(frozen=True, eq=False)
class Head:
    """What one attention did in a step.

    Attributes:
        scores: (S,), before the alignment.
        shares: (S,), the weights that the alignment made of them.
    """

    scores: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class Look:
    """Where the decoder looked in a step.

    Attributes:
        query: (D,), the decoder's state that asked.
        heads: What each attention did; one, unless there are several side by side.
        compared: (S,) each: other scores of the same query and what the encoder gave for each
            token, by name; none where the two differ in size.
        shares: (S,), the weights that the model returns; of several heads it is their mean.
        context: (M,), the weighted sum, which the decoder goes on with.
    """

    query: np.ndarray
    heads: list[Head]
    compared: dict[str, np.ndarray]
    shares: np.ndarray
    context: np.ndarray


@dataclass(frozen=True)
class Word:
    """A token that could come next.

    Attributes:
        id: Its number.
        token: The token as one reads it.
        probability: Of it, given all before.
        rank: 1 for the likeliest.
    """

    id: int
    token: str
    probability: float
    rank: int


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the decoder.

    Attributes:
        number: From 1.
        reads: The token before, which the decoder reads.
        look: Where it looked; None without attention.
        words: The likeliest next tokens, the likeliest first.
        writes: The token that the search took.
        is_end: Whether that is the end token.
    """

    number: int
    reads: str
    look: Look | None
    words: list[Word]
    writes: Word
    is_end: bool

    @property
    def shown_words(self) -> list[Word]:
        """The likeliest next tokens, and the one that the search took where it is none of them."""
        return self.words if self.writes in self.words else [*self.words, self.writes]


@dataclass(frozen=True)
class Mechanism:
    """How a model attends, as its configuration says: see `Seq2SeqConfig`.

    Attributes:
        scalars: What it has learned besides matrices and vectors, by name, one for each head: g,
            that scores are multiplied by, and r, that a monotonic alignment adds to them.
    """

    attention: str
    score: str
    scale: bool
    normalize: bool
    query: str
    alignment: str
    alignment_options: dict[str, Any]
    past: str | None
    heads: int
    head_size: int | None
    scalars: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Explanation:
    """A decoding.

    Attributes:
        source: The text.
        translation: What became of it.
        search: How that was found.
        source_tokens: What the encoder read, as one reads it, the end token last.
        encoded: (S, M), what the encoder gave for each of them, and the decoder attends to; None
            without attention.
        mechanism: How it attends; None without attention.
        vocabulary: How many tokens could come next.
        has_unknown: Whether the source has tokens that the model does not know.
        is_complete: Whether the end token was reached before the maximum length.
        step_count: How many steps there were.
        steps: The steps.
    """

    source: str
    translation: str
    search: str
    source_tokens: list[str]
    encoded: np.ndarray | None
    mechanism: Mechanism | None
    vocabulary: int
    has_unknown: bool
    is_complete: bool
    step_count: int
    steps: list[Step]

    def only(self, number: int) -> Explanation:
        """The same with one of the steps alone.

        Raises:
            ValueError: If there is no such step.
        """
        steps = [step for step in self.steps if step.number == number]
        if not steps:
            raise ValueError(
                f"--step must be from 1 to {self.step_count}, the end token's step. "
                f"Received: --step {number}"
            )
        return replace(self, steps=steps)

    def as_dict(self) -> dict[str, Any]:
        """Everything in plain values, as JSON has them."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def explain(translator: Translator, text: str, words: int = 5) -> Explanation:
    """Translate a text, and look at each step of what was found.

    The numbers are those of the model itself, which runs step by step while its attention is
    listened to: nothing of it is computed a second time.

    Args:
        translator: Of one model; its search finds the translation, and the best one is explained.
        text: What to translate.
        words: How many of the likeliest next tokens a step holds.

    Raises:
        ValueError: If the text is empty or too long.
    """
    (source,) = translator.encode([text])
    if len(source) < 2:
        raise ValueError(f"A decoding needs a text that is not empty. Received: {text!r}")
    model: Seq2Seq = translator.model
    found = model.generate(pad([source]), translator.search, translator.max_length)
    target = [int(i) for i in found.ids[0, 0, : found.lengths[0, 0]]]
    names = readable(translator.target_tokenizer)
    encoded, steps = _steps(model, source, target, names, words)
    source_names = readable(translator.source_tokenizer)
    return Explanation(
        source=text,
        translation=translator.target_tokenizer.decode([target])[0],
        search=str(translator.search),
        source_tokens=[source_names[i] for i in source],
        encoded=encoded,
        mechanism=_mechanism(model),
        vocabulary=len(names),
        has_unknown=UNKNOWN_ID in source,
        is_complete=target[-1] == END_ID,
        step_count=len(steps),
        steps=steps,
    )


def readable(tokenizer: SentencePieceTokenizer) -> list[str]:
    """What each id of a tokenizer stands for; whole words without the space before each."""
    names = tokenizer.pieces(range(tokenizer.vocabulary_size))
    known = names[UNKNOWN_ID + 1 :]
    if all(len(name) > 1 and name.startswith("␣") for name in known):
        names[UNKNOWN_ID + 1 :] = [name[1:] for name in known]
    return names


def _steps(
    model: Seq2Seq, source: Sequence[int], target: Sequence[int], names: Sequence[str], words: int
) -> tuple[np.ndarray | None, list[Step]]:
    """What the encoder gave, and the steps in which the decoder writes the target."""
    layers = [] if model.decoder.attention is None else [model.decoder.attention]
    heads = _heads(model)
    steps: list[Step] = []
    with (
        _overheard(layers, "prepare") as prepared,
        _overheard(heads, "compute_scores") as scored,
        _overheard(list(dict.fromkeys([*heads, *layers])), "step") as stepped,
    ):
        memory, state = model.encode(ops.convert_to_tensor(pad([source])))
        encoded = _row(prepared[0].arguments[0]) if prepared else None
        for before, after in zip([model.config.start_id, *target], target, strict=False):
            scored.clear()
            stepped.clear()
            tokens = ops.convert_to_tensor([before], dtype="int32")
            log_probs, shares, state = model.decode_step(tokens, state, memory)
            look = None if encoded is None else _look(scored, stepped, encoded, _row(shares))
            ranked = _ranked(_row(log_probs), names)
            (taken,) = (word for word in ranked if word.id == after)
            number, is_end = len(steps) + 1, after == END_ID
            steps.append(Step(number, names[before], look, ranked[:words], taken, is_end))
    return encoded, steps


def _heads(model: Seq2Seq) -> list[Any]:
    """The layers with a score."""
    attention = model.decoder.attention
    if isinstance(attention, MultiHead):
        return list(attention.heads)
    return [] if attention is None else [attention]


def _ranked(log_probs: np.ndarray, names: Sequence[str]) -> list[Word]:
    probabilities = np.exp(log_probs.astype("float64"))
    order = np.argsort(-log_probs, kind="stable").tolist()
    return [
        Word(i, names[i], float(probabilities[i]), rank) for rank, i in enumerate(order, start=1)
    ]


class _Call(NamedTuple):
    arguments: tuple[Any, ...]
    result: Any


@contextmanager
def _overheard(layers: Sequence[Any], method: str) -> Iterator[list[_Call]]:
    """The calls of a method of these very layers while this lasts, in the order in which they end.

    The layers' own dictionaries are written to, past Keras, which would look for weights in it.
    """
    calls: list[_Call] = []

    def noted(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        calls.append(_Call(arguments, result))
        return result

    for layer in layers:
        vars(layer)[method] = partial(noted, getattr(layer, method))
    try:
        yield calls
    finally:
        for layer in layers:
            del vars(layer)[method]


def _look(
    scored: Sequence[_Call], stepped: Sequence[_Call], encoded: np.ndarray, shares: np.ndarray
) -> Look:
    """What was heard of one step: all heads score and step, at last the attention has stepped."""
    whole = stepped[-1]
    query, context = _row(whole.arguments[0]), _row(whole.result[0])
    heads = [
        Head(_row(score.result)[0], _row(step.result[1]))
        for score, step in zip(scored, stepped, strict=False)
    ]
    compared = {}
    if query.shape == encoded.shape[1:]:
        pair = query[None, None], encoded[None]
        compared = {name: _row(score(*pair))[0] for name, score in COMPARED.items()}
    return Look(query, heads, compared, shares, context)


def _mechanism(model: Seq2Seq) -> Mechanism | None:
    config = model.config
    if config.attention is None:
        return None
    is_luong = config.attention == "luong"
    return Mechanism(
        attention=config.attention,
        score=config.score if is_luong else "additive",
        scale=config.scale and is_luong,
        normalize=config.normalize and not is_luong,
        query=model.decoder.query,
        alignment=config.alignment,
        alignment_options=dict(config.alignment_options),
        past=config.past,
        heads=config.attention_heads,
        head_size=config.head_size,
        scalars=_scalars(model),
    )


def _scalars(model: Seq2Seq) -> dict[str, list[float]]:
    heads = _heads(model)
    kept = {
        "g": [getattr(head, "g", None) for head in heads],
        "r": [getattr(head.alignment, "score_bias", None) for head in heads],
    }
    learned = {name: [x for x in several if x is not None] for name, several in kept.items()}
    return {name: list(map(float, values)) for name, values in learned.items() if values}


def _row(tensor: Any) -> np.ndarray:
    """The one row of a batch."""
    return np.asarray(ops.convert_to_numpy(tensor))[0]


def _plain(value: Any) -> Any:
    """Lists instead of arrays."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
