// The page: a text field, the translations, and the attention of each piece.

const EXAMPLES = 4;
const find = (id) => document.getElementById(id);
let translator, shown;

const label = (tokenizer, id) =>
  id === translator.config.ids.end ? "end" : tokenizer.pieces[id].replaceAll("\u2581", " ").trim() || "\u2423";
const percent = (weight) => `${(100 * weight).toFixed(weight < 0.0995 ? 1 : 0)} %`;

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

/** Returns an element that is shaded by a weight and contains it as a number. */
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
    const node = element("button", { type: "button" }, label(translator.target, id));
    const best = label(translator.source, shown.sourceIds[strongest]);
    node.setAttribute("aria-label", `${label(translator.target, id)}: looked at ${best}, ${percent(weights[strongest])}`);
    const look = () => {
      written.forEach((other) => other.setAttribute("aria-pressed", other === node));
      find("source").replaceChildren(...weights.map((w, s) => shaded("span", w, label(translator.source, shown.sourceIds[s]))));
    };
    for (const event of ["mouseenter", "focus", "click"]) node.addEventListener(event, look);
    return node;
  });
  find("target").replaceChildren(...written);
  find("matrix").replaceChildren(...matrix(hypothesis));
  written[0].dispatchEvent(new Event("mouseenter"));
}

/** Returns the weights as rows of a table, one per target piece. */
function matrix(hypothesis) {
  const heads = shown.sourceIds.map((id) => element("th", { scope: "col" }, label(translator.source, id)));
  const rows = hypothesis.ids.map((id, t) => {
    const cells = hypothesis.weights[t].map((weight) => shaded("td", weight));
    return element("tr", {}, element("th", { scope: "row" }, label(translator.target, id)), ...cells);
  });
  const caption = element("caption", {}, "Rows: pieces written. Columns: pieces read.");
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
    const session = await translator.session(find("search").value, find("precision").value);
    const began = performance.now();
    const found = await translator.translate(find("text").value, session);
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
  const { Translator, json } = await import("./translator.js"); // loads ONNX Runtime from the network
  let examples;
  [translator, examples] = await Promise.all([Translator.load(), json("../examples.json")]);
  const { config } = translator;
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

start().catch((error) => {
  const isFar = /translator.js|onnxruntime-web"/.test(error.message);
  const advice = isFar ? " ONNX Runtime Web is out of reach, it has another checksum than index.html says, or index.html was changed." : "";
  say(error.message + advice, true);
});
