// SentencePiece in the browser: returns the same ids as the `.model` file, from `*.tokenizer.json`.

const SPACE = "\u2581";
const UNKNOWN = 3;
const UNKNOWN_PENALTY = 10;
const USER_DEFINED_SCORE = -0.1; // unigram: above any sum of log-probabilities

const utf8 = (text) => new TextEncoder().encode(text);

/** Returns the maximum number of characters of the texts, at least one. */
const longest = (texts) => [...texts].reduce((most, text) => Math.max(most, [...text].length), 1);

export class Tokenizer {
  constructor({ type, pieces, scores, special, userDefined, bytes, byteFallback, unknown, dummyPrefix, oneSpace, charsmap }) {
    Object.assign(this, { type, pieces, byteFallback, unknown, dummyPrefix, oneSpace });
    const [left, defined] = [new Set(special), new Set(userDefined)];
    this.ids = new Map(pieces.map((piece, id) => [piece, id]).filter(([, id]) => !left.has(id)));
    this.bytes = new Map(bytes.map((id) => [id, parseInt(pieces[id].slice(3, 5), 16)]));
    this.idOfByte = new Map([...this.bytes].map(([id, byte]) => [byte, id]));
    this.special = left;
    this.longest = longest(this.ids.keys());
    this.scores = scores.map((score, id) => (defined.has(id) ? USER_DEFINED_SCORE : score));
    const learned = scores.filter((_, id) => !left.has(id) && !defined.has(id));
    this.unknownScore = Math.fround(learned.reduce((a, b) => Math.min(a, b), 0) - UNKNOWN_PENALTY);
    const symbols = userDefined.map((id) => pieces[id]);
    this.symbols = new Prefixes(symbols);
    this.charsmap = charsmap ? new Charsmap(charsmap, new Prefixes(symbols.map((symbol) => binary(utf8(symbol))))) : null;
  }

  /** Returns the ids of a text, without an end token. */
  encode(text) {
    const normalized = this.normalize(text);
    if (!normalized) return [];
    const found = this.segment(normalized.replaceAll(" ", SPACE));
    const ids = [];
    for (const piece of found) {
      const id = this.ids.get(piece);
      if (id !== undefined) ids.push(id);
      else if (this.byteFallback) {
        for (const byte of utf8(piece)) ids.push(this.idOfByte.get(byte));
      } else if (ids.at(-1) !== UNKNOWN) ids.push(UNKNOWN); // merges a run of unknown characters
    }
    return ids;
  }

  /** Decodes ids to text, without the spaces that normalization puts or removes at the start. */
  decode(ids) {
    const bytes = [];
    let atStart = this.dummyPrefix || this.oneSpace;
    for (const id of ids) {
      const piece = this.pieces[id];
      if (this.bytes.has(id)) bytes.push(this.bytes.get(id));
      else if (id === UNKNOWN) bytes.push(...utf8(this.unknown));
      else if (!this.special.has(id)) {
        const hasPrefix = atStart && bytes.length === 0 && piece.startsWith(SPACE);
        if (hasPrefix && !this.oneSpace) atStart = false;
        bytes.push(...utf8((hasPrefix ? piece.slice(1) : piece).replaceAll(SPACE, " ")));
      }
    }
    return new TextDecoder().decode(new Uint8Array(bytes));
  }

  /** Normalizes a text: replaces characters and, in most models, collapses spaces. */
  normalize(text) {
    const replaced = this.charsmap ? this.charsmap.replace(text) : text;
    const normalized = this.oneSpace ? replaced.replace(/ +/g, " ").replace(/^ | $/g, "") : replaced;
    return normalized && this.dummyPrefix ? ` ${normalized}` : normalized;
  }

  segment(text) {
    if (this.type === "word") return text.split(new RegExp(`(?=${SPACE})`));
    if (this.type === "unigram") return this.likeliest([...text]);
    const symbols = this.split(text);
    return this.type === "bpe" ? this.merge(symbols) : symbols.map(({ text }) => text);
  }

  /** Splits a text into user-defined symbols, which are never merged, and characters. */
  split(text) {
    const symbols = [];
    for (let i = 0; i < text.length; i += symbols.at(-1).text.length) {
      const length = this.symbols.longestAt(text, i);
      const symbol = length ? text.slice(i, i + length) : String.fromCodePoint(text.codePointAt(i));
      symbols.push({ text: symbol, isWhole: length > 0 });
    }
    return symbols;
  }

  /** Unigram: finds the segmentation with the largest sum of scores (Viterbi). */
  likeliest(symbols) {
    const best = [{ score: 0, start: 0 }];
    const offer = (start, end, score) => {
      const total = Math.fround(best[start].score + score);
      if (best[end] === undefined || total > best[end].score) best[end] = { score: total, start };
    };
    for (let start = 0; start < symbols.length; start++) {
      let piece = "";
      let isKnown = false;
      for (let end = start + 1; end <= Math.min(symbols.length, start + this.longest); end++) {
        piece += symbols[end - 1];
        const id = this.ids.get(piece);
        if (id === undefined) continue;
        offer(start, end, this.scores[id]);
        isKnown ||= end === start + 1;
      }
      if (!isKnown) offer(start, start + 1, this.unknownScore);
    }
    const found = [];
    for (let end = symbols.length; end > 0; end = best[end].start) {
      found.unshift(symbols.slice(best[end].start, end).join(""));
    }
    return found;
  }

  /** Byte-pair encoding: repeatedly merges the neighbours whose piece has the largest score. */
  merge(symbols) {
    const pieces = symbols.map(({ text }) => text);
    const isWhole = symbols.map((symbol) => symbol.isWhole);
    for (;;) {
      let best = -1;
      let score = -Infinity;
      for (let i = 0; i + 1 < pieces.length; i++) {
        if (isWhole[i] || isWhole[i + 1]) continue;
        const id = this.ids.get(pieces[i] + pieces[i + 1]);
        if (id !== undefined && this.scores[id] > score) [best, score] = [i, this.scores[id]];
      }
      if (best < 0) return pieces;
      pieces.splice(best, 2, pieces[best] + pieces[best + 1]);
      isWhole.splice(best, 1);
    }
  }
}

/** Returns a string with a character for each byte. */
const binary = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** Finds the longest of some strings at a place in a text. */
class Prefixes {
  constructor(strings) {
    this.byFirst = new Map();
    for (const string of [...strings].sort((a, b) => b.length - a.length)) {
      this.byFirst.set(string[0], [...(this.byFirst.get(string[0]) ?? []), string]);
    }
  }

  /** Returns the length of the longest string that stands at a place, or 0. */
  longestAt(text, place) {
    const found = this.byFirst.get(text[place])?.find((string) => text.startsWith(string, place));
    return found?.length ?? 0;
  }
}

/** SentencePiece's normalization: a double-array trie (Darts) of replacements. */
class Charsmap {
  constructor(base64, kept) {
    this.kept = kept;
    const bytes = Uint8Array.from(atob(base64), (symbol) => symbol.charCodeAt(0));
    const size = new DataView(bytes.buffer).getUint32(0, true);
    this.units = new Uint32Array(bytes.slice(4, 4 + size).buffer);
    this.replacements = bytes.subarray(4 + size);
  }

  /** Replaces the longest matches of the trie, from left to right, except in user-defined symbols. */
  replace(text) {
    const [bytes, found] = [utf8(text), []];
    const characters = binary(bytes);
    for (let i = 0; i < bytes.length; ) {
      const whole = this.kept.longestAt(characters, i);
      if (whole) {
        found.push(...bytes.subarray(i, i + whole));
        i += whole;
        continue;
      }
      const { length, place } = this.longestMatch(bytes, i);
      if (length) {
        const end = this.replacements.indexOf(0, place);
        found.push(...this.replacements.subarray(place, end));
        i += length;
        continue;
      }
      do found.push(bytes[i++]);
      while ((bytes[i] & 0xc0) === 0x80); // the rest of the character
    }
    return new TextDecoder().decode(new Uint8Array(found));
  }

  longestMatch(bytes, start) {
    const offset = (unit) => (unit >>> 10) << ((unit & 0x200) >>> 6);
    const found = { length: 0, place: 0 };
    let node = offset(this.units[0]);
    for (let i = start; i < bytes.length; i++) {
      node ^= bytes[i];
      const unit = this.units[node];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== bytes[i]) break;
      node ^= offset(unit);
      if ((unit >>> 8) & 1) Object.assign(found, { length: i + 1 - start, place: this.units[node] & 0x7fffffff });
    }
    return found;
  }
}
