// Translates in the browser: text to ids, a search in ONNX Runtime, ids to text, and its attention.

import * as ort from "onnxruntime-web";
import { Tokenizer } from "./tokenizer.js";

const EXAMPLES = 4;
const find = (id) => document.getElementById(id);
const json = async (path) => (await fetched(path)).json();
const sessions = new Map();
let config, source, target, shown;

ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send

async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} cannot be loaded (${response.status})`);
  return response;
}

/** The session of a search with weights of a precision, made when it is first needed. */
function session(search, precision) {
  const name = precision === "float32" ? `${search}.onnx` : `${search}.${precision}.onnx`;
  if (!sessions.has(name)) {
    const made = fetched(`../onnx/${name}`)
      .then((response) => response.arrayBuffer())
      .then((model) => ort.InferenceSession.create(model, { executionProviders: ["wasm"] }));
    made.catch(() => sessions.delete(name));
    sessions.set(name, made);
  }
  return sessions.get(name);
}

/** Hypotheses of a text, the best first: text, score, ids, and weights for each of them. */
async function translate(text, model) {
  const ids = [...source.encode(text), config.ids.end];
  if (ids.length === 1) return { sourceIds: [], hypotheses: [] };
  if (ids.length > config.max_source_length) {
    throw new Error(`A text must have at most ${config.max_source_length - 1} pieces; this one has ${ids.length - 1}.`);
  }
  const found = await model.run({ source: new ort.Tensor("int32", Int32Array.from(ids), [1, ids.length]) });
  const [, count, longest] = found.ids.dims;
  const hypotheses = [];
  for (let k = 0; k < count; k++) {
    const length = found.lengths.data[k];
    const kept = [...found.ids.data.slice(k * longest, k * longest + length)];
    if (!length) continue;
    const weights = kept.map((_, t) => {
      const start = (k * longest + t) * ids.length;
      return found.attention ? [...found.attention.data.slice(start, start + ids.length)] : null;
    });
    hypotheses.push({ ids: kept, text: target.decode(kept), score: found.scores.data[k], weights });
  }
  return { sourceIds: ids, hypotheses };
}

const label = (tokenizer, id) =>
  id === config.ids.end ? "end" : tokenizer.pieces[id].replaceAll("\u2581", " ").trim() || "\u2423";
const percent = (weight) => `${(100 * weight).toFixed(weight < 0.0995 ? 1 : 0)} %`;

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

/** A node of a kind, shaded by a weight, with that as a number in it. */
function shaded(kind, weight, ...before) {
  const node = element(kind, { className: "shade" }, ...before, element("span", { className: "number" }, percent(weight)));
  node.style.setProperty("--weight", weight);
  return node;
}

function show(hypothesis) {
  shown.hypotheses.forEach((other, k) => {
    find("hypotheses").children[k].firstChild.setAttribute("aria-pressed", other === hypothesis);
  });
  const hasAttention = hypothesis.weights[0] !== null;
  find("attention").hidden = !hasAttention;
  if (!hasAttention) return;
  const written = hypothesis.ids.map((id, t) => {
    const weights = hypothesis.weights[t];
    const strongest = weights.indexOf(Math.max(...weights));
    const node = element("button", { type: "button" }, label(target, id));
    const best = label(source, shown.sourceIds[strongest]);
    node.setAttribute("aria-label", `${label(target, id)}: looked at ${best}, ${percent(weights[strongest])}`);
    const look = () => {
      written.forEach((other) => other.setAttribute("aria-pressed", other === node));
      find("source").replaceChildren(...weights.map((w, s) => shaded("span", w, label(source, shown.sourceIds[s]))));
    };
    for (const event of ["mouseenter", "focus", "click"]) node.addEventListener(event, look);
    return node;
  });
  find("target").replaceChildren(...written);
  find("matrix").replaceChildren(...matrix(hypothesis));
  written[0].dispatchEvent(new Event("mouseenter"));
}

/** The weights as rows of a table: one for each piece of the target. */
function matrix(hypothesis) {
  const heads = shown.sourceIds.map((id) => element("th", { scope: "col" }, label(source, id)));
  const rows = hypothesis.ids.map((id, t) => {
    const cells = hypothesis.weights[t].map((weight) => shaded("td", weight));
    return element("tr", {}, element("th", { scope: "row" }, label(target, id)), ...cells);
  });
  const caption = element("caption", {}, "Rows: what was written. Columns: what was read.");
  return [caption, element("tr", {}, element("td"), ...heads), ...rows];
}

function say(text, isError = false) {
  find("status").textContent = text;
  find("status").classList.toggle("error", isError);
}

let running = 0;

async function run() {
  const number = ++running;
  const isCurrent = () => number === running;
  say("Translating ...");
  try {
    const model = await session(find("search").value, find("precision").value);
    const began = performance.now();
    const found = await translate(find("text").value, model);
    if (!isCurrent()) return;
    shown = found;
    find("output").hidden = !found.hypotheses.length;
    const items = found.hypotheses.map((hypothesis) => {
      const button = element("button", { type: "button", onclick: () => show(hypothesis) }, hypothesis.text || "(empty)");
      return element("li", {}, button, element("span", { className: "score" }, ` ${hypothesis.score.toFixed(3)}`));
    });
    find("hypotheses").replaceChildren(...items);
    if (found.hypotheses.length) show(found.hypotheses[0]);
    const needed = (performance.now() - began).toFixed(0);
    say(found.hypotheses.length ? `Translated in ${needed} ms.` : "Type a text.");
  } catch (error) {
    if (!isCurrent()) return;
    find("output").hidden = true;
    say(error.message, true);
  }
}

function choices(select, values, chosen) {
  select.replaceChildren(...values.map((value) => new Option(value, value, value === chosen, value === chosen)));
}

async function start() {
  let examples, tokenizers;
  [config, examples, ...tokenizers] = await Promise.all(
    ["../config.json", "../examples.json", "source.tokenizer.json", "target.tokenizer.json"].map(json),
  );
  [source, target] = tokenizers.map((tokenizer) => new Tokenizer(tokenizer));
  document.title = find("name").textContent = config.name;
  const files = config.artefacts.onnx.filter((file) => file.includes("greedy"));
  const precisions = files.map((file) => file.split(".").slice(1, -1)[0] ?? "float32");
  choices(find("search"), ["greedy", "beam"], config.search.beam_width === 1 ? "greedy" : "beam");
  choices(find("precision"), precisions, precisions.at(-1));
  find("weights").hidden = precisions.length === 1;
  const buttons = examples.slice(0, EXAMPLES).map(({ source: text }) =>
    element("button", { type: "button", onclick: () => ((find("text").value = text), run()) }, text),
  );
  find("examples").replaceChildren(...buttons);
  for (const id of ["text", "search", "precision", "translate"]) find(id).disabled = false;
  find("form").addEventListener("submit", (event) => (event.preventDefault(), run()));
  find("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) (event.preventDefault(), run());
  });
  for (const id of ["search", "precision"]) find(id).addEventListener("change", run);
  find("text").value = examples[0].source;
  await run();
}

start().catch((error) => say(error.message, true));
