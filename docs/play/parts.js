// The parts of a step, from the query to the next word. `buildParts` makes their elements once for a sentence and its models;
// what it returns brings them up to date, and leaves the focus where it is.
"use strict";

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

const find = (id) => document.getElementById(id);
const isServed = location.protocol.startsWith("http"); // in the site of the documents, which has the Python, too

/** The equation, the line of Python and a link to each. */
function sources({ equation, paper, python: [file, place, code] }) {
  const href = isServed ? `../_modules/keras_attention/${place}` : `../../${file}`;
  return element(
    "details",
    { className: "sources" },
    element("summary", {}, "As an equation, and in Python"),
    element("p", {}, element("code", {}, equation), " (", element("a", { href: paper[1] }, paper[0]), ")"),
    element("pre", {}, element("code", {}, code)),
    element("p", {}, element("a", { href }, file)),
  );
}

function part(key, ...content) {
  const { title, text } = PARTS[key];
  const heading = element("h2", { id: `part-${key}` }, title);
  const made = element("section", { className: "part" }, heading, element("p", {}, text), ...content);
  made.setAttribute("aria-labelledby", `part-${key}`);
  return made;
}

/** Makes all parts for the models on the page; returns a function of their newest results. */
function buildParts(container, sides, act) {
  const isAlone = sides.length === 1;
  const column = (side, ...content) => element("div", { className: "side" }, ...(isAlone ? [] : [element("h3", {}, SCORE_TEXTS[side.score].name)]), ...content);
  const columns = (views) => element("div", { className: "sides" }, ...views.map((view, i) => column(sides[i], view.node)));
  const views = { query: [], scores: [], context: [], next: [] };
  for (const side of sides) {
    views.query.push(queryView());
    views.scores.push(side.score === "none" ? noneView() : sharesView(side, act));
    views.context.push(side.score === "none" ? noneView() : contextView());
    views.next.push(nextView());
  }
  const ofScores = sides.map(({ score }) => {
    const named = element("p", {}, element("strong", {}, `${SCORE_TEXTS[score].name}: `), SCORE_TEXTS[score].text);
    return element("div", { className: "side" }, named, sources(SCORE_TEXTS[score]));
  });
  container.replaceChildren(
    part("query", sources(PARTS.query), columns(views.query)),
    part("scores", element("div", { className: "sides" }, ...ofScores)),
    part("shares", sources(PARTS.shares), columns(views.scores)),
    part("context", sources(PARTS.context), columns(views.context)),
    part("next", sources(PARTS.next), columns(views.next)),
  );
  return (current, state, palette) => current.forEach((side, i) => Object.values(views).forEach((view) => view[i].update(side, state, palette)));
}

/** The step of a side that is shown; a shorter output stays at its end. */
const shown = (side, state) => side.result.steps[Math.min(state.step, side.result.steps.length) - 1];

function noneView() {
  const node = element("p", { className: "soft" }, "There is nothing here: this model has no attention.");
  return { node, update() {} };
}

function vectorView(node, vector, palette) {
  node.innerHTML = strip(vector, palette);
  if (vector.length < 4) node.append(element("span", {}, ` [${vector.map((x) => fixed(x)).join(", ")}]`));
}

function queryView() {
  const [reads, vector] = [element("p"), element("div", { className: "vector" })];
  return {
    node: element("div", {}, reads, vector),
    update(side, state, palette) {
      const step = shown(side, state);
      const isFirst = step === side.result.steps[0];
      reads.replaceChildren("It reads ", element("strong", {}, isFirst ? "\u23ce" : side.words[side.result.steps.indexOf(step) - 1]), isFirst ? ", the end token, which also starts it. The query:" : ". The query:");
      vectorView(vector, step.query, palette);
    },
  };
}

/** The table of the words that were read: score, share as a slider, and whether it may be looked at. */
function sharesView(side, act) {
  const rows = side.tokens.map(({ text, id, name: numbered }, j) => {
    const name = `${text === "\u23ce" ? "the end token" : text}, word ${j + 1}`;
    const row = {
      number: element("span", { className: "number" }),
      bar: element("span", { className: "score" }),
      slider: element("input", { type: "range", min: 0, max: 100, step: 1, className: "share" }),
      percent: element("td", { className: "number" }),
      tick: element("input", { type: "checkbox" }),
    };
    row.slider.setAttribute("aria-label", `Share of ${name}`);
    row.tick.setAttribute("aria-label", `May look at ${name}`);
    row.slider.addEventListener("input", () => act.hold(j + 1, Number(row.slider.value) / 100));
    row.tick.addEventListener("change", () => act.hide(j + 1, !row.tick.checked));
    const head = element("th", { scope: "row" }, numbered);
    if (id === UNKNOWN) head.append(element("span", { className: "soft" }, " (unknown)"));
    row.node = element("tr", {}, head, element("td", { className: "of-score" }, row.bar, row.number), element("td", { className: "of-slider" }, row.slider), row.percent, element("td", {}, row.tick));
    return row;
  });
  const heads = ["it read", "score", "share", "%", "look?"].map((text) => element("th", { scope: "col" }, text));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows.map(({ node }) => node)));
  const letGo = element("button", { type: "button", onclick: () => act.letGo() }, "Release shares");
  const note = element("p", { hidden: true }, "You hold shares of this step; the model's own come back when you release them. ", letGo);
  const written = element("ol");
  const details = element("details", {}, element("summary", {}, "Every score and share, written out"), written);
  let latest;
  const writeOut = () => details.open && latest && written.replaceChildren(...latest());
  details.addEventListener("toggle", writeOut);
  details.open = side.model.units < 4;
  return {
    node: element("div", {}, table, note, details),
    update(current, state) {
      const step = shown(current, state);
      const largest = Math.max(1, ...step.scores.map(Math.abs));
      const held = state.shares[current.result.steps.indexOf(step) + 1] ?? {};
      rows.forEach((row, j) => {
        row.number.textContent = fixed(step.scores[j]);
        const end = 0.5 + step.scores[j] / largest / 2;
        row.bar.style.setProperty("--from", Math.min(0.5, end));
        row.bar.style.setProperty("--to", Math.max(0.5, end));
        row.bar.classList.toggle("below", step.scores[j] < 0);
        row.percent.textContent = percent(step.weights[j]);
        if (document.activeElement !== row.slider || Math.abs(row.slider.value / 100 - step.weights[j]) > 0.011) row.slider.value = Math.round(100 * step.weights[j]);
        row.slider.style.setProperty("--share", step.weights[j]);
        row.slider.setAttribute("aria-valuetext", `${percent(step.weights[j])}${held[j + 1] === undefined ? "" : ", held"}`);
        row.slider.disabled = !current.mask[j];
        row.tick.checked = current.mask[j];
        row.node.classList.toggle("held", held[j + 1] !== undefined);
      });
      const isForced = Object.keys(held).length > 0;
      note.hidden = !isForced;
      latest = () => writtenOut(current, step, state, isForced);
      writeOut();
    },
  };
}

/** Each score as the sum that it is, and its share. */
function writtenOut({ score: kind, tokens, mask }, step, { temperature }, isForced) {
  const parted = (x) => fixed(x).replace(/^\u2212.*/, "($&)");
  const divided = temperature === 1 || temperature === 0 || temperature === Infinity ? step.scores : scaled(step.scores, 1 / temperature);
  const total = divided.reduce((sum, x, j) => sum + (mask[j] ? Math.exp(x) : 0), 0);
  return tokens.map(({ text }, j) => {
    const { left, right, divisor } = step.products[j];
    const terms = left.map((a, i) => `${parted(a)}\u00b7${parted(right[i])}`).join(" + ");
    const score = divisor === 1 ? `${terms} = ${fixed(step.scores[j])}` : `(${terms}) / ${fixed(divisor)} = ${fixed(step.scores[j])}, divided by ${kind === "cosine" ? "both lengths" : "the root of the size"}`;
    const over = temperature === 1 ? "" : ` / ${temperatureText(temperature)}`;
    let share = `exp(${fixed(step.scores[j])}${over}) / total = ${fixed(Math.exp(divided[j]))} / ${fixed(total)} = ${percent(step.own[j])}`;
    if (temperature === 0) share = step.own[j] ? "the largest score gets everything" : "not the largest score: 0 %";
    if (temperature === Infinity) share = `every word gets the same: ${percent(step.own[j])}`;
    if (!mask[j]) share = "masked out: 0 %";
    if (isForced) share += `, of which your hand makes ${percent(step.weights[j])}`;
    return element("li", {}, element("strong", {}, text), ` score: ${score}. `, element("br"), `share: ${share}.`);
  });
}

function contextView() {
  const [sum, vector, drawn] = [element("p"), element("div", { className: "vector" }), element("div", { className: "plane" })];
  return {
    node: element("div", {}, sum, vector, drawn),
    update(side, state, palette) {
      const step = shown(side, state);
      const order = step.weights.map((_, j) => j).sort((a, b) => step.weights[b] - step.weights[a]);
      const terms = order.slice(0, 4).filter((j) => step.weights[j] > 0.0005).map((j) => `${step.weights[j].toFixed(2)}\u00b7k(${side.tokens[j].name})`);
      const rest = order.slice(terms.length).reduce((total, j) => total + step.weights[j], 0);
      const others = rest > 0.0005 ? ` + ${percent(rest)} of others` : "";
      sum.textContent = terms.length ? `context = ${terms.join(" + ")}${others}` : "context = 0: there is nothing to look at.";
      vectorView(vector, step.context, palette);
      drawn.innerHTML = step.context.length === 2 ? plane(side.tokens, side.result.memory.keys, step, palette) : "";
      if (drawn.innerHTML) drawn.append(element("p", { className: "soft" }, "The thicker a key's line, the larger its share."));
    },
  };
}

function nextView() {
  const [list, note] = [element("ol", { className: "candidates" }), element("p", { className: "soft note" })];
  return {
    node: element("div", {}, list, note),
    update(side, state) {
      const step = shown(side, state);
      const { target } = storedOf(state.translator);
      const ids = step.probabilities.map((_, id) => id).sort((a, b) => step.probabilities[b] - step.probabilities[a]);
      const items = ids.slice(0, 5).map((id) => {
        const item = element("li", {}, element("span", { className: "word" }, readable(target[id])), element("span", { className: "bar" }), element("span", { className: "number" }, percent(step.probabilities[id])));
        item.style.setProperty("--share", step.probabilities[id]);
        item.classList.toggle("written", id === step.writes);
        return item;
      });
      list.replaceChildren(...items);
      const own = side.own(step);
      note.textContent = own !== null && own !== step.writes ? `Without your changes it would write ${readable(target[own])}.` : "";
    },
  };
}

const readable = (piece) => piece.replace(/^\u2423(?=.)/, "");
