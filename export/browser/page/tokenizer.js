// SentencePiece in the browser: returns the same ids as the `.model` file, from `*.tokenizer.json`.

const SPACE = "\u2581";
const UNKNOWN = 3;
const UNKNOWN_PENALTY = 10;

const utf8 = (text) => new TextEncoder().encode(text);

/** Returns the maximum number of characters of the texts, at least one. */
const longest = (texts) => [...texts].reduce((most, text) => Math.max(most, [...text].length), 1);

export class Tokenizer {
  constructor({ type, pieces, scores, special, byteFallback, dummyPrefix, charsmap }) {
    Object.assign(this, { type, pieces, scores, byteFallback, dummyPrefix });
    const left = new Set(special);
    this.ids = new Map(pieces.map((piece, id) => [piece, id]).filter(([, id]) => !left.has(id)));
    this.bytes = new Map(pieces.map((piece, id) => [piece, id]).filter(([piece]) => /^<0x..>$/.test(piece)));
    this.special = left;
    this.longest = longest(this.ids.keys());
    this.unknownScore = Math.fround(scores.filter((_, id) => !left.has(id)).reduce((a, b) => Math.min(a, b), 0) - UNKNOWN_PENALTY);
    this.charsmap = charsmap ? new Charsmap(charsmap) : null;
  }

  /** Returns the ids of a text, without an end token. */
  encode(text) {
    const normalized = this.normalize(text);
    if (!normalized) return [];
    const found = this.segment([...normalized.replaceAll(" ", SPACE)]);
    const ids = [];
    for (const piece of found) {
      const id = this.ids.get(piece);
      if (id !== undefined) ids.push(id);
      else if (this.byteFallback) {
        for (const byte of utf8(piece)) {
          ids.push(this.bytes.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`));
        }
      } else if (ids.at(-1) !== UNKNOWN) ids.push(UNKNOWN); // merges a run of unknown characters
    }
    return ids;
  }

  /** Decodes ids to text, without leading spaces. */
  decode(ids) {
    const bytes = [];
    for (const id of ids) {
      const piece = this.pieces[id];
      if (this.bytes.has(piece)) bytes.push(parseInt(piece.slice(3, 5), 16));
      else if (id === UNKNOWN) bytes.push(...utf8(" \u2047 "));
      else if (!this.special.has(id)) {
        const text = bytes.length === 0 && piece.startsWith(SPACE) ? piece.slice(1) : piece;
        bytes.push(...utf8(text.replaceAll(SPACE, " ")));
      }
    }
    return new TextDecoder().decode(new Uint8Array(bytes));
  }

  /** Normalizes a text: replaces characters and collapses spaces. */
  normalize(text) {
    const replaced = this.charsmap ? this.charsmap.replace(text) : text;
    const normalized = replaced.replace(/ +/g, " ").replace(/^ | $/g, "");
    return normalized && this.dummyPrefix ? ` ${normalized}` : normalized;
  }

  segment(symbols) {
    if (this.type === "char") return symbols;
    if (this.type === "word") return symbols.join("").split(new RegExp(`(?=${SPACE})`));
    return this.type === "bpe" ? this.merge(symbols) : this.likeliest(symbols);
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
    const pieces = [...symbols];
    for (;;) {
      let best = -1;
      let score = -Infinity;
      for (let i = 0; i + 1 < pieces.length; i++) {
        const id = this.ids.get(pieces[i] + pieces[i + 1]);
        if (id !== undefined && this.scores[id] > score) [best, score] = [i, this.scores[id]];
      }
      if (best < 0) return pieces;
      pieces.splice(best, 2, pieces[best] + pieces[best + 1]);
    }
  }
}

/** SentencePiece's normalization: a double-array trie (Darts) of replacements. */
class Charsmap {
  constructor(base64) {
    const bytes = Uint8Array.from(atob(base64), (symbol) => symbol.charCodeAt(0));
    const size = new DataView(bytes.buffer).getUint32(0, true);
    this.units = new Uint32Array(bytes.slice(4, 4 + size).buffer);
    this.replacements = bytes.subarray(4 + size);
  }

  /** Replaces the longest matches of the trie, from left to right. */
  replace(text) {
    const [bytes, found] = [utf8(text), []];
    for (let i = 0; i < bytes.length; ) {
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
