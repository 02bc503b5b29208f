// What the learner has chosen, and its address: everything on the page follows from this.
"use strict";

const PLAIN = { translator: "commands", text: null, score: "dot", beside: "", step: 1, temperature: 1, hidden: [], shares: {} };

const LONGEST = 400; // characters of a sentence

const usualScore = (models) => (models[PLAIN.score] ? PLAIN.score : Object.keys(models)[0]);

/** Returns the state of an address; what is missing or makes no sense has its usual value. */
function stateOf(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const translator = Object.hasOwn(TRANSLATORS, given.get("translator")) ? given.get("translator") : PLAIN.translator;
  const { models } = storedOf(translator);
  const scoreOf = (name, otherwise) => (Object.hasOwn(models, given.get(name)) ? given.get(name) : otherwise);
  const numbers = (name) => (given.get(name) ?? "").split(",").filter(Boolean);
  const shares = {};
  for (const item of numbers("shares")) {
    const [step, place, share] = item.split(":").map(Number);
    if (step >= 1 && place >= 1 && share >= 0 && share <= 1) (shares[step] ??= {})[place] = share;
  }
  const temperature = given.get("temperature") === "infinite" ? Infinity : Number(given.get("temperature") ?? 1);
  return {
    translator,
    text: (given.get("text") ?? TRANSLATORS[translator].examples[0]).slice(0, LONGEST),
    score: scoreOf("score", usualScore(models)),
    beside: scoreOf("beside", ""),
    step: Math.max(1, Math.floor(Number(given.get("step"))) || 1),
    temperature: temperature >= 0 ? temperature : 1,
    hidden: numbers("hidden").map(Number).filter((place) => place >= 1),
    shares,
  };
}

/** Returns the address of a state, without what has its usual value. */
function addressOf(state) {
  const shares = Object.entries(state.shares).flatMap(([step, places]) =>
    Object.entries(places).map(([place, share]) => `${step}:${place}:${Number(share.toFixed(3))}`),
  );
  const items = {
    translator: state.translator,
    text: encodeURIComponent(state.text ?? "").replaceAll("%20", "+"),
    score: state.score,
    beside: state.beside,
    step: state.step > 1 ? state.step : "",
    temperature: state.temperature === 1 ? "" : state.temperature === Infinity ? "infinite" : Number(state.temperature.toPrecision(4)),
    hidden: state.hidden.join(","),
    shares: shares.join(","),
  };
  const kept = Object.entries(items).filter(([name, value]) => (name === "text" ? state.text !== null : value !== ""));
  return `#${kept.map(([name, value]) => `${name}=${value}`).join("&")}`;
}

/**
 * Returns shares in which some are held: what is left goes to the others, in their own proportions.
 * `held` has places from 1. If they hold more than everything, they are scaled down.
 */
function heldShares(own, held, mask) {
  const isHeld = own.map((_, j) => held[j + 1] !== undefined && mask[j]);
  if (!isHeld.includes(true)) return own;
  const total = own.reduce((sum, _, j) => sum + (isHeld[j] ? held[j + 1] : 0), 0);
  const rest = own.reduce((sum, share, j) => sum + (isHeld[j] ? 0 : share), 0);
  const others = mask.filter((may, j) => may && !isHeld[j]).length;
  if (total >= 1 || !others) return own.map((share, j) => (isHeld[j] && total > 0 ? held[j + 1] / total : total > 0 ? 0 : share));
  const left = 1 - total;
  return own.map((share, j) => {
    if (isHeld[j]) return held[j + 1];
    if (!mask[j]) return 0;
    return rest > 1e-12 ? (share / rest) * left : left / others;
  });
}

/** Holds a share; what was held before gives way if they would be more than everything together. */
function hold(places, place, share) {
  const before = Object.entries(places).filter(([other]) => Number(other) !== place);
  const total = before.reduce((sum, [, value]) => sum + value, 0);
  const factor = total + share > 1 ? (1 - share) / total : 1;
  return { ...Object.fromEntries(before.map(([other, value]) => [other, value * factor])), [place]: share };
}

/** The temperature of a place of the slider, 0 to 40: hardmax, 0.1 to 10 with 1 in the middle, uniform. */
const temperatureAt = (place) => (place <= 0 ? 0 : place >= 40 ? Infinity : 10 ** ((place - 20) / 19));
const placeOf = (temperature) =>
  temperature === 0 ? 0 : temperature === Infinity ? 40 : Math.min(39, Math.max(1, Math.round(20 + 19 * Math.log10(temperature))));
