"""The library's computations in plain NumPy: one sentence, one step, one vector at a time.

Nothing here knows about batches, padding, padding masks or Keras. Every function is the formula
of the paper in float64 and loops where the library vectorizes, so that an error in one cannot hide
in the other. Weights have Keras's layout and can be passed as ``layer.get_weights()`` returns them.

Shapes: `S` source length, `T` target length, `D` features, `U` units, `V` vocabulary. A query is a
vector (D,), the keys and values of a sentence are matrices (S, D).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise, product
from typing import NamedTuple

import numpy as np

Array = np.ndarray
State = list[Array]
Cell = Callable[[Array, State], tuple[Array, State]]
"""``output, state = cell(x, state)``."""
Attend = Callable[[Array], tuple[Array, Array]]
"""``context, weights = attend(query)``."""
NextLogProbs = Callable[[tuple[int, ...]], Array]
"""Log-probabilities (V,) of the token after the tokens so far (without the start token)."""


def dot(query: Array, keys: Array) -> Array:
    """score_s = q . k_s"""
    return np.array([np.sum(query * key) for key in keys])


def scaled_dot(query: Array, keys: Array) -> Array:
    """score_s = q . k_s / sqrt(D)"""
    return dot(query, keys) / np.sqrt(len(query))


def cosine(query: Array, keys: Array) -> Array:
    """score_s = q . k_s / (|q| |k_s|)"""
    lengths = [np.sqrt(np.sum(query**2)) * np.sqrt(np.sum(key**2)) for key in keys]
    return dot(query, keys) / np.array(lengths)


def general(query: Array, keys: Array, kernel: Array) -> Array:
    """score_s = q . (W k_s); `kernel` (D of a key, D of a query)."""
    return np.array([np.sum(query * (key @ kernel)) for key in keys])


def additive(
    query: Array,
    keys: Array,
    v: Array,
    query_kernel: Array,
    key_kernel: Array,
    bias: Array | float = 0.0,
) -> Array:
    """score_s = v . tanh(W_q q + W_m k_s + bias)"""
    return np.array([v @ np.tanh(query @ query_kernel + key @ key_kernel + bias) for key in keys])


def concat(query: Array, keys: Array, kernel: Array, v: Array) -> Array:
    """score_s = v . tanh(W [q; k_s])"""
    return np.array([v @ np.tanh(np.concatenate([query, key]) @ kernel) for key in keys])


def normalized(v: Array, g: float) -> Array:
    """Weight normalization: the direction of `v` with the length `g`."""
    return g * v / np.sqrt(np.sum(v**2))


def sparsemax(scores: Array, mask: Array | None = None) -> Array:
    """The point on the simplex nearest to the scores: the nearest of all supports' candidates."""
    allowed = np.ones(len(scores), bool) if mask is None else np.asarray(mask, bool)
    weights = np.zeros(len(scores))
    places = np.flatnonzero(allowed)
    best = np.inf
    for chosen in product([False, True], repeat=len(places)):
        support = places[np.array(chosen, bool)]
        if not len(support):
            continue
        candidate = np.zeros(len(scores))
        candidate[support] = scores[support] - (scores[support].sum() - 1) / len(support)
        distance = np.sum((candidate - scores)[allowed] ** 2)
        if candidate.min() >= 0 and distance < best:
            best, weights = distance, candidate
    return weights


def hardmax(scores: Array, mask: Array | None = None) -> Array:
    """One at the first of the largest scores where `mask` is True."""
    weights = np.zeros(len(scores))
    allowed = [i for i in range(len(scores)) if mask is None or mask[i]]
    if allowed:
        weights[max(allowed, key=lambda i: (scores[i], -i))] = 1.0
    return weights


def monotonic(p: Array, before: Array) -> Array:
    """Sums over all ways to continue from each position where the last step may have stopped."""
    weights = np.zeros(len(p))
    for start, share in enumerate(before):
        for stop in range(start, len(p)):
            weights[stop] += share * np.prod(1.0 - p[start:stop]) * p[stop]
    return weights


def hard_monotonic(scores: Array, before: Array, mask: Array | None = None) -> Array:
    """One at the first position with a positive score that is not before the last one."""
    weights = np.zeros(len(scores))
    for place in range(int(np.argmax(before)), len(scores)) if before.any() else ():
        if scores[place] > 0 and (mask is None or mask[place]):
            weights[place] = 1.0
            break
    return weights


def chunkwise(stopped: Array, u: Array, w: int, mask: Array | None = None) -> Array:
    """For each stopping position, a softmax over the chunk of `w` positions that ends there."""
    weights = np.zeros(len(u))
    for stop, share in enumerate(stopped):
        first = max(stop - w + 1, 0)
        own = None if mask is None else np.asarray(mask)[first : stop + 1]
        weights[first : stop + 1] += share * softmax(u[first : stop + 1], own)
    return weights


def local(scores: Array, center: float, window: int, mask: Array | None = None) -> Array:
    """A softmax over the positions within the window's width of the center."""
    near = np.array([abs(place - center) <= window for place in range(len(scores))])
    return softmax(scores, near if mask is None else near & np.asarray(mask, bool))


def location(weights: Array, filters: Array, kernel: Array) -> Array:
    """(S, U): each filter (positions, 1, filters), applied to the weights (S,), then `kernel`."""
    size, _, count = filters.shape
    found = np.zeros((len(weights), count))
    for place in range(len(weights)):
        for tap in range(size):
            seen = place + tap - (size - 1) // 2
            if 0 <= seen < len(weights):
                found[place] += weights[seen] * filters[tap, 0]
    return found @ kernel


def softmax(scores: Array, mask: Array | None = None) -> Array:
    """Softmax over the positions where `mask` is True; zero elsewhere, and if there are none."""
    allowed = np.ones(len(scores), bool) if mask is None else np.asarray(mask, bool)
    weights = np.zeros(len(scores))
    if allowed.any():
        powers = np.exp(scores[allowed] - np.max(scores[allowed]))
        weights[allowed] = powers / np.sum(powers)
    return weights


def attend(scores: Array, values: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """The context (D,), the weighted sum of the values, and the weights (S,)."""
    weights = softmax(np.asarray(scores, np.float64), mask)
    return sum(w * value for w, value in zip(weights, values, strict=True)), weights


def coverage_losses(weights: Array) -> Array:
    """covloss_t = sum_i min(a_ti, sum of a_t'i over t' < t), for weights (T, S)."""
    return np.array(
        [
            sum(min(a, sum(weights[:t, i])) for i, a in enumerate(row))
            for t, row in enumerate(weights)
        ]
    )


def guided_alignment_losses(weights: Array, alignment: Array, cost: str) -> Array:
    """Cross-entropy or squared error of each step whose alignment has a link, otherwise 0."""
    losses = []
    for row, links in zip(weights, alignment, strict=True):
        wanted = links / max(links.sum(), 1)
        terms = -wanted * np.log(row) if cost == "cross_entropy" else (wanted - row) ** 2
        losses.append(terms.sum() if links.any() else 0.0)
    return np.array(losses)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def lstm(kernel: Array, recurrent_kernel: Array, bias: Array) -> Cell:
    """An LSTM cell; state [h, c]; gates in Keras's order: input, forget, candidate, output."""

    def cell(x: Array, state: State) -> tuple[Array, State]:
        h, c = state
        i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return h, [h, c]

    return cell


def gru(kernel: Array, recurrent_kernel: Array, bias: Array) -> Cell:
    """A GRU cell with ``reset_after=True``; state [h]; gates: update, reset, candidate."""

    def cell(x: Array, state: State) -> tuple[Array, State]:
        (h,) = state
        xz, xr, xh = np.split(x @ kernel + bias[0], 3)
        hz, hr, hh = np.split(h @ recurrent_kernel + bias[1], 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * h + (1.0 - z) * np.tanh(xh + r * hh)
        return h, [h]

    return cell


def normalized_layer(x: Array, gain: Array, epsilon: float) -> Array:
    """a (z - mean(z)) / sqrt(variance(z) + epsilon)"""
    mean = sum(x) / len(x)
    return gain * (x - mean) / np.sqrt(sum((x - mean) ** 2) / len(x) + epsilon)


def layer_norm_lstm(
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    input_gain: Array,
    recurrent_gain: Array,
    cell_gain: Array,
    cell_bias: Array,
    epsilon: float = 1e-5,
) -> Cell:
    """Ba et al. 2016, equations 20 to 22; state [h, c]; gates in Keras's order."""

    def cell(x: Array, state: State) -> tuple[Array, State]:
        h, c = state
        read = normalized_layer(x @ kernel, input_gain, epsilon)
        kept = normalized_layer(h @ recurrent_kernel, recurrent_gain, epsilon)
        i, f, g, o = np.split(read + kept + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalized_layer(c, cell_gain, epsilon) + cell_bias)
        return h, [h, c]

    return cell


def residual(one: Cell) -> Cell:
    """y_t = cell(x_t) + x_t; only the first features of wider inputs"""

    def cell(x: Array, state: State) -> tuple[Array, State]:
        output, state = one(x, state)
        return np.array([output[u] + x[u] for u in range(len(output))]), state

    return cell


def maxout(x: Array, kernel: Array, bias: Array, units: int) -> Array:
    """y_u is the largest of the linear units u, U + u, 2 U + u, ..."""
    linear = [x @ column + b for column, b in zip(kernel.T, bias, strict=True)]
    return np.array([max(linear[u::units]) for u in range(units)])


def stacked(cells: Sequence[Cell], states_per_cell: Sequence[int]) -> Cell:
    """Stacked cells as one cell; the flat state holds the bottom cell's entries first."""
    ends = np.cumsum(states_per_cell)

    def cell(x: Array, state: State) -> tuple[Array, State]:
        new: State = []
        for one, count, end in zip(cells, states_per_cell, ends, strict=True):
            x, part = one(x, state[end - count : end])
            new += part
        return x, new

    return cell


def run(cell: Cell, inputs: Array, state: State) -> tuple[Array, State]:
    """The outputs (T, U) of a cell over inputs (T, D), and its last state."""
    outputs = []
    for x in inputs:
        output, state = cell(x, state)
        outputs.append(output)
    return np.array(outputs), state


def bilstm(inputs: Array, forward: Cell, backward: Cell, units: int) -> tuple[Array, State]:
    """One bidirectional layer: outputs (S, 2 U) and the last states [fh, fc, bh, bc]."""
    zeros = [np.zeros(units), np.zeros(units)]
    ahead, forward_state = run(forward, inputs, zeros)
    back, backward_state = run(backward, inputs[::-1], zeros)
    return np.concatenate([ahead, back[::-1]], axis=-1), forward_state + backward_state


def decode(
    cell: Cell,
    inputs: Array,
    state: State,
    attend: Attend | None = None,
    *,
    query: str = "current",
    query_index: int = 0,
    feed_size: int = 0,
    layer: Callable[[Array], Array] | None = None,
) -> tuple[Array, Array, State]:
    """The decoder loop: outputs (T, .), weights (T, S) and the last cell state.

    Args:
        attend: Attention over one sentence; None for a decoder without attention.
        query: "current": the cell's new output is the query (Luong). "previous": the state before
            the step is, and its context goes into the cell (Bahdanau).
        query_index: Index of the top cell's first state in `state`.
        feed_size: Size of the attention vector that is concatenated to the next input, 0 for none.
        layer: The attention layer on concat(cell output, context).
    """
    outputs, all_weights = [], []
    fed = np.zeros(feed_size)
    for x in inputs:
        context, weights = np.zeros(0), np.zeros(0)
        if attend is not None and query == "previous":
            context, weights = attend(state[query_index])
            x = np.concatenate([x, context])
        cell_output, state = cell(np.concatenate([x, fed]), state)
        if attend is not None and query == "current":
            context, weights = attend(cell_output)
        joined = np.concatenate([cell_output, context])
        output = joined if layer is None else layer(joined)
        if feed_size:
            fed = context if layer is None else output
        outputs.append(output)
        all_weights.append(weights)
    return np.array(outputs), np.array(all_weights), state


def decode_inside(
    cells: Sequence[Cell],
    inputs: Array,
    states: Sequence[State],
    attend: Attend,
    *,
    query: str,
    feed_size: int = 0,
    layer: Callable[[Array], Array] | None = None,
) -> tuple[Array, Array, State]:
    """The decoder loop in which the first cell queries and the others read the context.

    Args:
        states: One for each cell. With "between", the first two share one, so the first is left
            out.
        query: "between": the second cell reads only the context, and continues from the first
            one's state (conditional GRU). "bottom": all others read the context and the output of
            the cell below (GNMT).
        feed_size, layer: As in `decode`.
    """
    states = [list(state) for state in states]
    outputs, all_weights, fed = [], [], np.zeros(feed_size)
    for x in inputs:
        y, first_state = cells[0](np.concatenate([x, fed]), states[0])
        context, weights = attend(y)
        if query == "between":
            y, states[0] = cells[1](context, first_state)
            for n, cell in enumerate(cells[2:], 1):
                y, states[n] = cell(y, states[n])
        else:
            states[0] = first_state
            for n, cell in enumerate(cells[1:], 1):
                y, states[n] = cell(np.concatenate([y, context]), states[n])
        output = np.concatenate([y, context])
        output = output if layer is None else layer(output)
        if feed_size:
            fed = context if layer is None else output
        outputs.append(output)
        all_weights.append(weights)
    return np.array(outputs), np.array(all_weights), [x for state in states for x in state]


def drawn(log_probs: Array, uniform: float, temperature: float) -> int:
    """The first token v > 0 with u < sum of p_w up to v, for p sharpened by the temperature."""
    p = np.exp((log_probs[1:] - log_probs[1:].max()) / temperature)
    return 1 + int(np.argmax(uniform < np.cumsum(p / p.sum())))


class Hypothesis(NamedTuple):
    """Tokens, including the end token if there is one, and their summed log-probability."""

    ids: tuple[int, ...]
    log_prob: float

    def score(self, length_penalty: float) -> float:
        """log-probability / ((5 + length) / 6) ** length_penalty (Wu et al. 2016, eq. 14)"""
        return float(self.log_prob / ((5.0 + len(self.ids)) / 6.0) ** length_penalty)


def greedy(next_log_probs: NextLogProbs, end_id: int, max_length: int) -> Hypothesis:
    """The likeliest token at every step."""
    ids: tuple[int, ...] = ()
    log_prob = 0.0
    while len(ids) < max_length and end_id not in ids:
        log_probs = next_log_probs(ids)
        token = int(np.argmax(log_probs))
        ids, log_prob = (*ids, token), log_prob + log_probs[token]
    return Hypothesis(ids, log_prob)


def every_hypothesis(
    next_log_probs: NextLogProbs, vocabulary: int, end_id: int, max_length: int
) -> Iterator[Hypothesis]:
    """All hypotheses: those that end, and those that are truncated at the maximum length."""
    words = [token for token in range(vocabulary) if token != end_id]
    for length in range(1, max_length + 1):
        last = range(vocabulary) if length == max_length else [end_id]
        for ids in product(*[words] * (length - 1), last):
            log_prob = sum(next_log_probs(ids[:place])[ids[place]] for place in range(length))
            yield Hypothesis(ids, float(log_prob))


def beam(
    next_log_probs: NextLogProbs,
    end_id: int,
    max_length: int,
    width: int,
    length_penalty: float,
    coverage: Callable[[tuple[int, ...]], float] = lambda ids: 0.0,
) -> list[Hypothesis]:
    """Beam search as by hand: a list of hypotheses, sorted again at every step.

    Finished hypotheses stay unchanged but may be pushed out. Python's sort is stable, so ties go to
    the better-ranked hypothesis, then to the lower id. The value of `coverage` for the ids is added
    to the scores.
    """
    *_, last = _beam_steps(next_log_probs, end_id, max_length, width, length_penalty, coverage)
    return last[:width]


def beam_margin(
    next_log_probs: NextLogProbs, end_id: int, max_length: int, width: int, length_penalty: float
) -> float:
    """The smallest score difference that decided what a beam keeps, or in which order."""
    steps = list(_beam_steps(next_log_probs, end_id, max_length, width, length_penalty))
    rivals = [candidates[width - 1 : width + 1] for candidates in steps if len(candidates) > width]
    rivals += pairwise(steps[-1][:width])
    return min(
        (a.score(length_penalty) - b.score(length_penalty) for a, b in rivals), default=np.inf
    )


def _beam_steps(
    next_log_probs: NextLogProbs,
    end_id: int,
    max_length: int,
    width: int,
    length_penalty: float,
    coverage: Callable[[tuple[int, ...]], float] = lambda ids: 0.0,
) -> Iterator[list[Hypothesis]]:
    """All candidates of each step, best first; the beam keeps as many as its width."""
    hypotheses = [Hypothesis((), 0.0)]
    for _ in range(max_length):
        candidates = []
        for hypothesis in hypotheses:
            if end_id in hypothesis.ids:
                candidates.append(hypothesis)
                continue
            for token, log_prob in enumerate(next_log_probs(hypothesis.ids)):
                if log_prob > -np.inf:
                    longer = Hypothesis((*hypothesis.ids, token), hypothesis.log_prob + log_prob)
                    candidates.append(longer)
        candidates.sort(key=lambda one: -one.score(length_penalty) - coverage(one.ids))
        yield candidates
        hypotheses = candidates[:width]


def diverse_beams(
    next_log_probs: NextLogProbs,
    end_id: int,
    max_length: int,
    sizes: list[int],
    length_penalty: float,
    diversity: float,
) -> list[Hypothesis]:
    """Groups of hypotheses that choose in turn; a token costs more if earlier groups took it.

    Vijayakumar et al. 2018, algorithm 1, with Hamming diversity; the cost is dropped once a group
    has chosen.
    """
    groups = [[Hypothesis((), 0.0)] for _ in sizes]
    for _ in range(max_length):
        taken: list[int] = []
        for place, size in enumerate(sizes):
            ranked = []
            for hypothesis in groups[place]:
                if end_id in hypothesis.ids:
                    ranked.append((hypothesis.score(length_penalty), hypothesis))
                    continue
                for token, log_prob in enumerate(next_log_probs(hypothesis.ids)):
                    ids, total = (*hypothesis.ids, token), hypothesis.log_prob + log_prob
                    costly = Hypothesis(ids, total - diversity * taken.count(token))
                    ranked.append((costly.score(length_penalty), Hypothesis(ids, total)))
            ranked.sort(key=lambda pair: -pair[0])
            before = [one.ids for one in groups[place]]
            groups[place] = [one for _, one in ranked[:size] if one.log_prob > -np.inf]
            taken += [one.ids[-1] for one in groups[place] if one.ids not in before]
    return sorted(chain(*groups), key=lambda one: -one.score(length_penalty))
