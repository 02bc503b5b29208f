// The translator with attention, as `keras_attention` computes it. It needs nothing but this file.
//
// A vector is an array of numbers, a matrix an array of rows. The names are those of the Python:
// S source tokens, D features, `scores` before the softmax, `weights` (shares) after it, `context`
// their weighted sum. A model is what `modelOf` makes of an entry of weights.js.
"use strict";

const END = 2; // the id of the end token, which also starts the decoder
const UNKNOWN = 3;

// ---- Vectors

const add = (a, b) => a.map((x, i) => x + b[i]);
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const scaled = (a, factor) => a.map((x) => x * factor);
const argmax = (a) => a.indexOf(Math.max(...a));

/** `x W`: a row vector times a matrix. */
function linear(x, W) {
  const y = new Array(W[0].length).fill(0);
  x.forEach((x_i, i) => W[i].forEach((w, j) => (y[j] += x_i * w)));
  return y;
}

/** `exp(x_j) / sum_i exp(x_i)`; subtracting the largest changes nothing but avoids overflow. */
function softmax(x) {
  const largest = Math.max(...x);
  const exponentials = x.map((x_j) => Math.exp(x_j - largest));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((e) => e / total);
}

// ---- Recurrent cells

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** One step of an LSTM cell (`keras.layers.LSTMCell`): returns the next state, whose h is also the output. */
function lstmCell(x, { h, c }, { kernel, recurrent_kernel, bias }) {
  const z = add(add(linear(x, kernel), linear(h, recurrent_kernel)), bias);
  const gate = (k) => z.slice(k * h.length, (k + 1) * h.length);
  const [input, forget, candidate, output] = [gate(0).map(sigmoid), gate(1).map(sigmoid), gate(2).map(Math.tanh), gate(3).map(sigmoid)];
  const next = c.map((c_i, i) => forget[i] * c_i + input[i] * candidate[i]);
  return { h: next.map((c_i, i) => output[i] * Math.tanh(c_i)), c: next };
}

// ---- Scores (keras_attention/scores.py)

// Each score is a sum of products, divided by a number. So each is given by two vectors, left and
// right, and the divisor: score = left . right / divisor. `prepare` projects the keys once.
const SCORES = {
  dot: (query, key) => ({ left: query, right: key, divisor: 1 }),
  scaled_dot: (query, key) => ({ left: query, right: key, divisor: Math.sqrt(query.length) }),
  cosine: (query, key) => ({ left: query, right: key, divisor: norm(query) * norm(key) }),
  general: (query, projected) => ({ left: query, right: projected, divisor: 1 }),
  additive: (query, projected, { query_kernel, v }) => ({
    left: v,
    right: add(linear(query, query_kernel), projected).map(Math.tanh),
    divisor: 1,
  }),
};

const sumOfProducts = ({ left, right, divisor }) => dot(left, right) / Math.max(divisor, 1e-12);

/** The keys as a score reads them: `k W` for general, `k W_m` for additive, else k itself. */
const projectKey = (key, { key_kernel }) => (key_kernel ? linear(key, key_kernel) : key);

// ---- From scores to weights (keras_attention/masking.py)

/** The weights of the positions that may be attended to: zero elsewhere, one in total. */
function maskedSoftmax(scores, mask) {
  const may = scores.map((_, j) => !mask || mask[j]);
  if (!may.includes(true)) return scores.map(() => 0);
  return softmax(scores.map((score, j) => (may[j] ? score : -Infinity)));
}

/** `softmax(scores / temperature)`: at 0 the largest score gets everything, at infinity all get the same. */
function tempered(scores, mask, temperature) {
  if (temperature > 0) return maskedSoftmax(scaled(scores, 1 / temperature), mask);
  const allowed = scores.map((score, j) => (!mask || mask[j] ? score : -Infinity));
  const best = argmax(allowed);
  return scores.map((_, j) => (j === best && allowed[j] > -Infinity ? 1 : 0));
}

/** `sum_j weights_j value_j` */
function weightedSum(weights, values) {
  return weights.reduce((sum, weight, j) => add(sum, scaled(values[j], weight)), values[0].map(() => 0));
}

// ---- Encoder and decoder (keras_attention/model/seq2seq.py)

/** Reads the source: returns the memory, an output for each token, and the decoder's first state. */
function encode(model, source) {
  let state = { h: new Array(model.units).fill(0), c: new Array(model.units).fill(0) };
  const keys = source.map((id) => {
    state = lstmCell(model.source_embedding.embeddings[id], state, model.encoder);
    return state.h;
  });
  const projected = keys.map((key) => projectKey(key, model.attention));
  return { memory: { keys, projected }, state }; // the bridge is a copy
}

/**
 * One step: the cell runs, its output is the query, and query and context together say the next word.
 *
 * `knobs`, all optional: `temperature`; `mask`, true where a token may be attended to; `weights`,
 * which replace the model's own.
 */
function decodeStep(model, token, before, memory, knobs = {}) {
  const state = lstmCell(model.target_embedding.embeddings[token], before, model.decoder);
  const query = state.h;
  const step = { query, state };
  if (model.score !== "none") {
    step.products = memory.projected.map((key) => SCORES[model.score](query, key, model.attention));
    step.scores = step.products.map(sumOfProducts);
    step.own = tempered(step.scores, knobs.mask, knobs.temperature ?? 1);
    step.weights = knobs.weights ? knobs.weights(step.own) : step.own;
    step.context = weightedSum(step.weights, memory.keys);
  }
  step.logits = add(linear([...query, ...(step.context ?? [])], model.logits.kernel), model.logits.bias);
  step.probabilities = softmax(step.logits);
  return step;
}

/** Decodes greedily: each step reads the likeliest word of the one before, until the end token. */
function decode(model, source, most, knobsOf = () => ({})) {
  let { memory, state } = encode(model, source);
  const steps = [];
  let token = END;
  while (steps.length < most) {
    const step = decodeStep(model, token, state, memory, knobsOf(steps.length));
    Object.assign(step, { reads: token, before: state });
    step.writes = token = argmax(step.logits);
    state = step.state;
    steps.push(step);
    if (token === END) break;
  }
  return { memory, steps };
}

// ---- Weights and words (weights.js)

/** Numbers of 16 bits, 1 sign, 5 exponent and 10 fraction bits, from base64. */
function float16(text) {
  const bytes = Uint8Array.from(atob(text), (symbol) => symbol.charCodeAt(0));
  return Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  });
}

/** Returns a model whose weights can be read as `model.encoder.kernel`. */
function modelOf(score, { decoder_units, weights }) {
  const model = { score, units: decoder_units, attention: {} };
  for (const [name, { shape, float16: text }] of Object.entries(weights)) {
    const [layer, weight] = name.split(".");
    const numbers = float16(text);
    const rows = () => Array.from({ length: shape[0] }, (_, i) => numbers.slice(i * shape[1], (i + 1) * shape[1]));
    (model[layer] ??= {})[weight] = shape.length === 2 ? rows() : numbers;
  }
  return model;
}

/** Splits a text into tokens as the tokenizer does: `{ text, id }` each, the end token last. */
function tokenize(text, { type, source }) {
  const plain = text.normalize("NFKC").toLowerCase().replaceAll("\u2019", "'").trim().replace(/\s+/g, " ");
  const pieces = type === "char" ? [...plain.replaceAll(" ", "\u2423")] : plain.split(" ").map((word) => `\u2423${word}`);
  const tokens = [];
  for (const piece of plain ? pieces : []) {
    const id = source.indexOf(piece, UNKNOWN + 1);
    const text = type === "char" ? piece : piece.slice(1);
    if (id < 0 && tokens.at(-1)?.id === UNKNOWN) tokens.at(-1).text += type === "char" ? text : ` ${text}`;
    else tokens.push({ text, id: id < 0 ? UNKNOWN : id });
  }
  return [...tokens, { text: "\u23ce", id: END }];
}

/** The words of ids of the target, without the end token. */
function detokenize(ids, { type, target }) {
  const pieces = ids.filter((id) => id !== END).map((id) => target[id].replaceAll("\u2423", type === "char" ? " " : ""));
  return pieces.join(type === "char" ? "" : " ");
}
