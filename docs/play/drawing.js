// Drawings as text of SVG, each complete in itself, so that it can be saved as it is.
"use strict";

const PALETTES = {
  light: { ink: "#1b1b1f", paper: "#ffffff", soft: "#5c5c66", line: "#d0d0d8", strong: "#0b57d0", bad: "#b3261e", high: "#c2570c" },
  dark: { ink: "#e8e6e3", paper: "#17181c", soft: "#a5a4a0", line: "#3a3b42", strong: "#8ab4f8", bad: "#f2b8b5", high: "#f0a35e" },
};
const FONT = "system-ui, sans-serif";
const WIDEST = 1040; // of two pictures side by side

const escaped = (text) =>
  String(text).replace(/[&<>"']/g, (symbol) => `&#${symbol.charCodeAt(0)};`).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u202f%`;
const fixed = (x, digits = 2) => x.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "\u2212");

/** Returns an element with attributes; what is in it is SVG already. */
function tag(name, attributes, content = "") {
  const given = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  return `<${name}${given.join("")}>${content}</${name}>`;
}

const label = (x, y, text, attributes = {}) => tag("text", { x, y, ...attributes }, escaped(text));

function svg(width, height, palette, name, content) {
  const head = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name };
  const paper = tag("rect", { width, height, fill: palette.paper });
  return tag("svg", { ...head, "font-family": FONT, "font-size": 13, fill: palette.ink }, paper + content);
}

/** A vector as squares: blue below zero, orange above, the stronger the farther from it. */
function strip(vector, palette) {
  const [size, perRow] = [14, 16];
  const squares = vector.map((x, i) => {
    const place = { x: 1 + (i % perRow) * size, y: 1 + Math.floor(i / perRow) * size, width: size - 2, height: size - 2, rx: 2 };
    const fill = { fill: x < 0 ? palette.strong : palette.high, "fill-opacity": Math.min(1, 0.06 + 0.94 * Math.abs(x)) };
    return tag("rect", { ...place, ...fill, stroke: palette.line }, tag("title", {}, fixed(x)));
  });
  const rows = Math.ceil(vector.length / perRow);
  const name = `${vector.length} numbers, from ${fixed(Math.min(...vector))} to ${fixed(Math.max(...vector))}`;
  return svg(Math.min(perRow, vector.length) * size + 2, rows * size + 2, palette, name, squares.join(""));
}

/** Query, keys and context in the plane, for vectors of two numbers. */
function plane(tokens, keys, step, palette) {
  const [size, half] = [380, 190];
  const at = ([x, y]) => [half + 130 * x, half - 130 * y];
  const taken = []; // where labels stand, so that none is written over another
  const arrow = (vector, colour, text, width) => {
    const [x, y] = at(vector);
    const [length, away] = [Math.hypot(...vector) || 1, 14];
    const [tx, side] = [x + (vector[0] / length) * away, x < half ? "end" : "start"];
    let ty = y - (vector[1] / length) * away + 4;
    while (taken.some(([ox, oy, other]) => other === side && Math.abs(ox - tx) < 60 && Math.abs(oy - ty) < 16)) ty += 8;
    taken.push([tx, ty, side]);
    const line = tag("line", { x1: half, y1: half, x2: x, y2: y, stroke: colour, "stroke-width": width });
    return line + tag("circle", { cx: x, cy: y, r: 3.5, fill: colour }) + label(tx, ty, text, { fill: colour, "text-anchor": side });
  };
  const axes =
    tag("line", { x1: 10, y1: half, x2: size - 10, y2: half, stroke: palette.line }) +
    tag("line", { x1: half, y1: 10, x2: half, y2: size - 10, stroke: palette.line }) +
    tag("circle", { cx: half, cy: half, r: 130, fill: "none", stroke: palette.line, "stroke-dasharray": "3 4" }) +
    label(half + 96, half - 96, "length 1", { fill: palette.soft, "font-size": 11 });
  const ofKeys = keys.map((key, j) => arrow(key, palette.strong, tokens[j].text, 1 + 5 * step.weights[j]));
  const rest = arrow(step.context, palette.ink, "context", 2) + arrow(step.query, palette.high, "query", 2);
  const name = `In the plane: query ${point(step.query)}, ${keys.map((key, j) => `${tokens[j].name} ${point(key)}`).join(", ")}, context ${point(step.context)}`;
  return svg(size, size, palette, name, axes + ofKeys.join("") + rest);
}

const point = ([x, y]) => `(${fixed(x)}, ${fixed(y)})`;

/** All steps of one or two models: a row for each word written, a column for each word read; narrower, if it can be, for little room. */
function picture(sides, state, palette, room = WIDEST) {
  const drawn = sides.map((side) => matrix(side, state, palette, room));
  const total = (key) => drawn.reduce((sum, one) => sum + one[key] + 16, -16);
  const most = (key) => Math.max(...drawn.map((one) => one[key]));
  const isBeside = total("width") <= Math.min(WIDEST, room);
  let [x, y] = [0, 0];
  const parts = drawn.map(({ content, width, height }) => {
    const moved = tag("g", { transform: `translate(${x} ${y})` }, content);
    isBeside ? (x += width + 16) : (y += height + 16);
    return moved;
  });
  const name = sides.map((side) => `${SCORE_TEXTS[side.score].name}: ${spoken(side)}`).join(". ");
  const size = isBeside ? [total("width"), most("height")] : [most("width"), total("height")];
  return svg(...size, palette, name, parts.join(""));
}

/** Says where each word looked most. */
function spoken({ tokens, words, result }) {
  return result.steps
    .map(({ weights }, t) => {
      if (!weights) return words[t];
      const most = argmax(weights);
      return `${words[t]} looked at ${tokens[most].name}, ${percent(weights[most])}`;
    })
    .join("; ");
}

function matrix(side, state, palette, room) {
  const { tokens, words, result, isWrong } = side;
  const steps = result.steps;
  const isChar = storedOf(state.translator).type === "char";
  const usual = isChar ? 20 : 27;
  const wide = (list) => Math.max(...list.map((text) => 7.6 * text.length));
  const left = Math.max(60, wide(words) + 34);
  const right = Object.keys(state.shares).length ? 100 : 64;
  const cell = Math.min(usual, Math.max(isChar ? 10 : 14, Math.floor((room - left - right) / tokens.length)));
  const isTurned = !isChar;
  const head = 26;
  const named = isTurned ? Math.min(110, 0.8 * wide(tokens.map(({ text }) => text)) + 12) : 20;
  const [bars, top] = [44, head + named + 44];
  const hasAttention = side.score !== "none";
  const x = (j) => left + j * cell;
  const end = x(hasAttention ? tokens.length : 0);
  const width = Math.max(end + right, hasAttention ? 300 : 200);
  const titled = `${SCORE_TEXTS[side.score].name}${state.temperature === 1 || !hasAttention ? "" : `, temperature ${temperatureText(state.temperature)}`}`;
  const content = [label(8, 17, titled, { "font-weight": 600 })];
  const now = Math.min(state.step, steps.length) - 1;
  const rowsTop = hasAttention ? top + 4 : head + 12;
  if (hasAttention) {
    tokens.forEach(({ text }, j) => {
      const place = isTurned ? { transform: `translate(${x(j) + cell / 2 + 3} ${head + named - 4}) rotate(-52)` } : {};
      const style = { fill: side.mask[j] ? palette.ink : palette.soft, ...(side.mask[j] ? {} : { "text-decoration": "line-through" }) };
      content.push(isTurned ? label(0, 0, text, { ...place, ...style }) : label(x(j) + cell / 2, head + named - 4, text, { "text-anchor": "middle", ...style }));
      const height = bars * 0.94 * steps[now].weights[j];
      content.push(tag("rect", { x: x(j) + 2, y: top - height, width: cell - 4, height, fill: palette.high }));
    });
    content.push(tag("line", { x1: left, x2: end, y1: top, y2: top, stroke: palette.line }));
  }
  content.push(label(end + 8, rowsTop - 3, "how sure", { fill: palette.soft, "font-size": 11 }));
  steps.forEach((step, t) => {
    const y = rowsTop + t * usual;
    const row = [];
    const colour = isWrong[t] ? palette.bad : palette.ink;
    const name = `${isWrong[t] ? "\u2717 " : ""}${words[t]}`;
    row.push(tag("rect", { x: 4, y, width: end - 4, height: usual, fill: palette.paper }));
    row.push(label(left - 8, y + usual / 2 + 4, name, { "text-anchor": "end", fill: colour, "font-weight": t === now ? 700 : 400 }));
    const shares = hasAttention ? step.weights : [];
    shares.forEach((share, j) => {
      if (share < 0.002) return; // as good as white
      const fill = { fill: palette.strong, "fill-opacity": share.toFixed(3) };
      const most = t === now && share === Math.max(...shares) ? { "data-most": "" } : {};
      row.push(tag("rect", { x: x(j), y, width: cell, height: usual, ...fill, ...most }, t === now ? tag("title", {}, escaped(`${tokens[j].name}: ${percent(share)}`)) : ""));
    });
    const forced = state.shares[t + 1] && hasAttention ? ", forced" : "";
    row.push(label(end + 8, y + usual / 2 + 4, `${percent(step.probabilities[step.writes])}${forced}`, { fill: palette.soft, "font-size": 11 }));
    if (t === now) row.push(tag("rect", { x: 4, y: y + 0.5, width: end - 4, height: usual - 1, fill: "none", stroke: palette.high, "stroke-width": 2, rx: 3 }));
    content.push(tag("g", { "data-step": t + 1 }, row.join("")));
  });
  if (hasAttention) content.push(grid(left, rowsTop, cell, usual, tokens.length, steps.length, palette));
  return { content: content.join(""), width: Math.ceil(width), height: rowsTop + steps.length * usual + 6 };
}

/** The lines between cells, as one path. */
function grid(x, y, width, height, columns, rows, palette) {
  const lines = Array.from({ length: rows + 1 }, (_, i) => `M${x} ${y + i * height}h${columns * width}`);
  lines.push(...Array.from({ length: columns + 1 }, (_, j) => `M${x + j * width} ${y}v${rows * height}`));
  return tag("path", { d: lines.join(""), fill: "none", stroke: palette.line, "stroke-width": 0.5, "pointer-events": "none" });
}

const temperatureText = (temperature) =>
  temperature === 0 ? "0 (hardmax)" : temperature === Infinity ? "infinite (uniform)" : String(Number(temperature.toPrecision(2)));
