"""Record one decoding, step by step, from the running model."""

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
    """One attention head in a step.

    Attributes:
        scores: The scores, (S,).
        shares: The weights that the alignment computes from them, (S,).
    """

    scores: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class Look:
    """Attention in a step.

    Attributes:
        query: The query, (D,).
        heads: The heads; a single one unless the model has multi-head attention.
        compared: Other scores of the same query and encoder outputs, by name, (S,) each; empty if
            the two differ in size.
        shares: The weights that the model returns, (S,); the mean over the heads.
        context: The weighted sum, (M,).
    """

    query: np.ndarray
    heads: list[Head]
    compared: dict[str, np.ndarray]
    shares: np.ndarray
    context: np.ndarray


@dataclass(frozen=True)
class Word:
    """A possible next token.

    Attributes:
        id: The id.
        token: The token in readable form.
        probability: Its probability given all previous tokens.
        rank: The rank by probability; 1 is the most probable.
    """

    id: int
    token: str
    probability: float
    rank: int


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the decoder.

    Attributes:
        number: The number of the step, from 1.
        reads: The previous token, which the decoder reads.
        look: The attention; None without attention.
        words: The most probable next tokens, in order.
        writes: The token that the search chose.
        is_end: Whether it is the end token.
    """

    number: int
    reads: str
    look: Look | None
    words: list[Word]
    writes: Word
    is_end: bool

    @property
    def shown_words(self) -> list[Word]:
        """The most probable next tokens, including the one that the search chose."""
        return self.words if self.writes in self.words else [*self.words, self.writes]


@dataclass(frozen=True)
class Mechanism:
    """The attention mechanism of a model, as configured; see `Seq2SeqConfig`.

    Attributes:
        scalars: The learned scalars by name, one value per head: g, which scales the scores, and r,
            which a monotonic alignment adds to them.
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
    """A recorded decoding.

    Attributes:
        source: The source text.
        translation: The translation.
        search: The search.
        source_tokens: The source tokens in readable form, including the end token.
        encoded: The encoder outputs, (S, M), which the decoder attends to; None without attention.
        mechanism: The attention mechanism; None without attention.
        vocabulary: The size of the target vocabulary.
        has_unknown: Whether the source contains unknown tokens.
        is_complete: Whether the end token was reached before the maximum length.
        step_count: The total number of steps.
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
        """Return the explanation with only one of its steps.

        Raises:
            ValueError: If the step does not exist.
        """
        steps = [step for step in self.steps if step.number == number]
        if not steps:
            raise ValueError(
                f"--step must be between 1 and {self.step_count}, the step of the end token. "
                f"Received: --step {number}"
            )
        return replace(self, steps=steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation in plain values, for JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def explain(translator: Translator, text: str, words: int = 5) -> Explanation:
    """Translate a text and record each step of the best translation.

    The model runs step by step while the calls of its attention are recorded; no number is
    recomputed.

    Args:
        translator: A translator with a single model; its search finds the translation.
        text: The text to translate.
        words: The number of most probable next tokens to record per step.

    Raises:
        ValueError: If the text is empty or too long.
    """
    (source,) = translator.encode([text])
    if len(source) < 2:
        raise ValueError(f"The text must not be empty. Received: {text!r}")
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
    """Return the readable token of each id; whole words lose their leading space."""
    names = tokenizer.pieces(range(tokenizer.vocabulary_size))
    known = names[UNKNOWN_ID + 1 :]
    if all(len(name) > 1 and name.startswith("␣") for name in known):
        names[UNKNOWN_ID + 1 :] = [name[1:] for name in known]
    return names


def _steps(
    model: Seq2Seq, source: Sequence[int], target: Sequence[int], names: Sequence[str], words: int
) -> tuple[np.ndarray | None, list[Step]]:
    """Return the encoder outputs and the steps in which the decoder writes the target."""
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
    """Return the layers that compute scores."""
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
    """Record the calls of a method on the given layers, in the order in which they return.

    The wrappers are written directly to `vars(layer)`: Keras's `__setattr__` would track them.
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
    """Return the attention of one step from the recorded calls; the layer itself returns last."""
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
        heads=config.num_heads,
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
    """Return the only row of a batch."""
    return np.asarray(ops.convert_to_numpy(tensor))[0]


def _plain(value: Any) -> Any:
    """Replace arrays by lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
