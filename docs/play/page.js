// The page: what the learner changes goes into `state`, and everything shown is computed from it anew.
"use strict";

let state, tokens, sides, update, built;
const models = new Map();

function modelNamed(translator, score) {
  const name = `${translator} ${score}`;
  if (!models.has(name)) models.set(name, modelOf(score, storedOf(translator).models[score]));
  return models.get(name);
}

/** Compares words with the right answer: which are not in a longest common part, and which are missing. */
function compared(words, right) {
  if (!right) return { isWrong: words.map(() => false), missing: [] };
  const common = Array.from({ length: words.length + 1 }, () => new Array(right.length + 1).fill(0));
  for (let i = words.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      common[i][j] = words[i] === right[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const [isWrong, missing] = [words.map(() => true), []];
  let i = 0;
  for (let j = 0; j < right.length; j++) {
    while (i < words.length && words[i] !== right[j] && common[i + 1][j] > common[i][j + 1]) i++;
    if (i < words.length && words[i] === right[j]) isWrong[i++] = false;
    else missing.push(right[j]);
  }
  return { isWrong, missing };
}

/** The number of a token, as an index, among those with the same text; nothing if there is no other. */
function numbered(tokens, j) {
  const same = tokens.flatMap(({ text }, i) => (text === tokens[j].text ? [i] : []));
  return same.length > 1 ? String(same.indexOf(j) + 1).replace(/\d/g, (digit) => "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089"[digit]) : "";
}

/** All that is shown of one model. */
function sideOf(score) {
  const stored = storedOf(state.translator);
  const model = modelNamed(state.translator, score);
  const mask = tokens.map((_, j) => !state.hidden.includes(j + 1));
  const knobsOf = (t) => ({ temperature: state.temperature, mask, weights: (own) => heldShares(own, state.shares[t + 1] ?? {}, mask) });
  const result = decode(model, tokens.map(({ id }) => id), stored.most, knobsOf);
  const isTurned = state.temperature !== 1 || mask.includes(false) || Object.keys(state.shares).length > 0;
  const words = result.steps.map(({ writes }) => readable(stored.target[writes]));
  const right = rightAnswer(state.translator, tokens);
  const own = (step) => {
    if (!isTurned || score === "none") return null;
    return argmax(decodeStep(model, step.reads, step.before, result.memory).logits);
  };
  const isEnded = result.steps.at(-1).writes === END;
  const spokenWords = isEnded ? words.slice(0, -1) : words;
  const { isWrong, missing } = compared(spokenWords, right);
  return { score, model, mask, tokens, result, words, own, right, isEnded, missing, isWrong: isEnded ? [...isWrong, false] : isWrong };
}

function show() {
  const stored = storedOf(state.translator);
  tokens = tokenize(stored.type === "char" ? state.text : state.text.replace(/[.,;:!?]+(?=\s|$)/g, ""), stored);
  tokens.forEach((token, j) => (token.name = token.text + numbered(tokens, j)));
  sides = [state.score, state.beside].filter(Boolean).map(sideOf);
  const count = Math.max(...sides.map(({ result }) => result.steps.length));
  state.step = Math.min(state.step, count);
  showControls(stored, count);
  find("outputs").replaceChildren(...sides.map(outputOf));
  const palette = PALETTES[matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"];
  const now = JSON.stringify([state.translator, tokens, state.score, state.beside]);
  if (now !== built) update = buildParts(find("parts"), sides, act);
  built = now;
  update(sides, state, palette);
  find("picture").innerHTML = picture(sides, state, palette, find("picture").clientWidth);
  bringIntoView();
  find("address").href = addressOf(state);
  say();
}

/** Scrolls the picture, where it is wider than the page, to what the step looks at most. */
function bringIntoView() {
  const [box, most] = [find("picture"), find("picture").querySelector("[data-most]")];
  if (!most) return;
  const [outer, inner] = [box.getBoundingClientRect(), most.getBoundingClientRect()];
  if (inner.right > outer.right || inner.left < outer.left) box.scrollLeft += inner.left - outer.left - outer.width / 2;
}

function showControls(stored, count) {
  if (find("text").value !== state.text) find("text").value = state.text;
  for (const radio of document.getElementsByName("translator")) radio.checked = radio.value === state.translator;
  find("about").textContent = TRANSLATORS[state.translator].about;
  find("score").value = state.score;
  find("beside").value = state.beside;
  for (const option of find("beside").options) option.disabled = option.value !== "" && option.value === state.score;
  find("temperature").value = placeOf(state.temperature);
  find("temperature-is").textContent = temperatureText(state.temperature);
  find("temperature").setAttribute("aria-valuetext", temperatureText(state.temperature));
  find("step").max = count;
  find("step").value = state.step;
  find("step-is").textContent = `Step ${state.step} of ${count}`;
  find("back").disabled = state.step === 1;
  find("forward").disabled = state.step === count;
  find("let-go").disabled = Object.keys(state.shares).length === 0;
  const unknown = [...new Set(tokens.filter(({ id }) => id === UNKNOWN).map(({ text }) => `\u201c${text}\u201d`))];
  const named = [...unknown.slice(0, 3), ...(unknown.length > 3 ? [`and ${unknown.length - 3} more`] : [])].join(", ");
  const what = stored.type === "char" ? "letters" : "words";
  let said = unknown.length ? `It does not know ${named}: it reads ${unknown.length > 1 ? "them" : "this"} as \u201cunknown\u201d, and can only guess.` : "";
  if (tokens.length === 1) said = "There is nothing to read but \u23ce, so what it writes is a guess: type a sentence.";
  if (state.text.length === LONGEST) said += ` It reads the first ${LONGEST} letters only.`;
  if (tokens.length > stored.longest) said += ` It has learned from at most ${stored.longest - 1} ${what}; these are ${tokens.length - 1}.`;
  if (find("said").textContent !== said) find("said").textContent = said;
}

/** What a model writes, each word a button that goes to its step, with what is wrong marked. */
function outputOf(side) {
  const items = side.words.map((word, t) => {
    const button = element("button", { type: "button", onclick: () => act.step(t + 1) }, word);
    button.setAttribute("aria-pressed", t + 1 === state.step);
    button.classList.toggle("wrong", side.isWrong[t]);
    if (side.isWrong[t]) button.setAttribute("aria-label", `${word}, wrong`);
    return element("li", {}, button);
  });
  const written = side.words.slice(0, side.isEnded ? -1 : undefined);
  let note = "The right answer is not known here.";
  if (side.right) {
    const wrong = written.filter((_, t) => side.isWrong[t]);
    const join = (list) => list.join(storedOf(state.translator).type === "char" ? "" : " ");
    const listed = (what, list) => (list.length > 8 ? `${what}: ${list.length} of ${written.length}. ` : list.length ? `${what}: ${list.join(", ")}. ` : "");
    const notes = listed("Wrong", wrong) + listed("Missing", side.missing);
    note = notes ? `${notes}Right: ${join(side.right)}` : "All of it is right.";
  }
  const list = element("ol", { className: "words" }, ...items);
  list.setAttribute("aria-label", `What ${SCORE_TEXTS[side.score].name} writes`);
  return element("div", { className: "side" }, element("h3", {}, SCORE_TEXTS[side.score].name), list, element("p", { className: "soft note" }, note));
}

/** Where a step looks, in words. */
function lookingAt(weights) {
  const [most, count] = [argmax(weights), weights.filter((weight) => weight > 0).length];
  if (count === 0) return "looks at nothing";
  if (count > 1 && weights.every((weight) => weight === 0 || weights[most] - weight < 1e-9)) return `looks at ${count} words equally`;
  return `looks most at ${tokens[most].name} (${percent(weights[most])})`;
}

let saying;

/** Says in a sentence what a screen reader's user would otherwise have to look for. */
function say() {
  clearTimeout(saying);
  saying = setTimeout(() => {
    const texts = sides.map((side) => {
      const step = shown(side, state);
      return `${SCORE_TEXTS[side.score].name}${step.weights ? ` ${lookingAt(step.weights)} and` : ""} writes ${readable(storedOf(state.translator).target[step.writes])} (${percent(step.probabilities[step.writes])})`;
    });
    find("live").textContent = `Step ${state.step}: ${texts.join("; ")}.`;
    const address = addressOf(state);
    if (location.hash !== address) history.replaceState(null, "", address); // no event, which would undo what was done since
  }, 250);
}

function change(changes) {
  Object.assign(state, changes);
  show();
}

const act = {
  hold(place, share) {
    change({ shares: { ...state.shares, [state.step]: hold(state.shares[state.step] ?? {}, place, share) } });
  },
  hide(place, isHidden) {
    const others = state.hidden.filter((other) => other !== place);
    change({ hidden: isHidden ? [...others, place].sort((a, b) => a - b) : others });
  },
  letGo: () => change({ shares: {} }),
  step: (step) => change({ step }),
  read(text) {
    find("look").replaceChildren(); // it was of another sentence
    change({ text: text.slice(0, LONGEST), shares: {}, hidden: [], step: 1 });
  },
  translate(translator) {
    const { models } = storedOf(translator);
    const kept = (score, otherwise) => (Object.hasOwn(models, score) ? score : otherwise);
    change({ translator, score: kept(state.score, usualScore(models)), beside: kept(state.beside, "") });
    act.read(TRANSLATORS[translator].examples[0]);
    showChoices();
  },
};

/** What depends on the translator alone. */
function showChoices() {
  const stored = storedOf(state.translator);
  const scores = Object.keys(SCORE_TEXTS).filter((score) => stored.models[score]);
  const options = (select, names) => select.replaceChildren(...names.map((name) => new Option(name ? SCORE_TEXTS[name].name : "nothing", name)));
  options(find("score"), scores);
  options(find("beside"), ["", ...scores]);
  const example = (text) => element("button", { type: "button", onclick: () => act.read(text) }, text);
  const another = () => act.read(stored.pairs[Math.floor(Math.random() * stored.pairs.length)][0]);
  const examples = TRANSLATORS[state.translator].examples.map(example);
  if (stored.pairs.length > examples.length) examples.push(element("button", { type: "button", onclick: another }, "Another one"));
  find("examples").replaceChildren(...examples);
  find("words").querySelector("summary").textContent = `${stored.type === "char" ? "Letters" : "Words"} that it knows`;
  const known = stored.source.slice(UNKNOWN + 1).map(readable);
  find("words").querySelector("p").textContent = known.sort().join(stored.type === "char" ? " " : ", ");
  show();
}

function save() {
  const text = picture(sides, state, PALETTES.light);
  const href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  element("a", { href, download: `attention-${state.translator}-${state.score}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

function listen() {
  const on = (id, event, reaction) => find(id).addEventListener(event, reaction);
  on("form", "submit", (event) => event.preventDefault());
  on("text", "keydown", (event) => event.key === "Enter" && event.preventDefault());
  on("text", "input", () => act.read(find("text").value));
  on("score", "change", () => change({ score: find("score").value, beside: state.beside === find("score").value ? "" : state.beside }));
  on("beside", "change", () => change({ beside: find("beside").value }));
  on("temperature", "input", () => change({ temperature: temperatureAt(Number(find("temperature").value)) }));
  on("let-go", "click", act.letGo);
  on("untouched", "click", () => change({ shares: {}, hidden: [], temperature: 1 }));
  on("step", "input", () => act.step(Number(find("step").value)));
  on("back", "click", () => act.step(state.step - 1));
  on("forward", "click", () => act.step(state.step + 1));
  on("save", "click", save);
  on("picture", "click", ({ target }) => target.closest("[data-step]") && act.step(Number(target.closest("[data-step]").dataset.step)));
  addEventListener("keydown", (event) => event.key === "Escape" && act.letGo());
  addEventListener("hashchange", ({ newURL }) => {
    const { hash } = new URL(newURL); // the address now may be that of a change made before
    if (hash === addressOf(state)) return;
    state = stateOf(hash);
    showChoices();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}

function start() {
  state = stateOf(location.hash);
  for (const [name, { title }] of Object.entries(TRANSLATORS)) {
    if (!storedOf(name)) continue;
    const radio = element("input", { type: "radio", name: "translator", value: name, onchange: () => act.translate(name) });
    find("translators").append(element("label", {}, radio, ` ${title}`));
  }
  const questions = QUESTIONS.map(({ question, links, text }) => {
    const heading = element("summary", {}, question);
    const lead = (look) => {
      const back = element("button", { type: "button", onclick: () => heading.focus() }, "Back to the question");
      find("look").replaceChildren(element("strong", {}, "Look for: "), look, " ", back);
      setTimeout(() => find("output-title").scrollIntoView());
    };
    const shownBy = links.flatMap(([name, to, look], i) => [i ? " \u00b7 " : "", element("a", { href: addressOf({ ...PLAIN, ...to }), onclick: () => lead(look) }, name)]);
    return element("details", {}, heading, element("p", {}, "Look: ", ...shownBy), element("p", {}, text));
  });
  find("questions").replaceChildren(...questions);
  listen();
  showChoices();
}

start();
