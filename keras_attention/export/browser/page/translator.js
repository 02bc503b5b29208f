// Translates in the browser: from text to ids, a search in ONNX Runtime, and back to text.

import * as ort from "onnxruntime-web";
import { Tokenizer } from "./tokenizer.js";

ort.env.wasm.numThreads = 1; // more threads need headers that a simple file server does not send

async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} cannot be loaded (${response.status})`);
  return response;
}

export const json = async (path) => (await fetched(path)).json();

/** Loads ONNX Runtime's WebAssembly, whose address and checksum stand in the page's import map. */
async function loadRuntime() {
  const map = JSON.parse(document.querySelector('script[type="importmap"]').textContent);
  const [address, integrity] = Object.entries(map.integrity).find(([name]) => name.endsWith(".wasm"));
  const response = await fetch(new URL(address, document.baseURI), { integrity }).catch(() => {
    throw new Error(`${address} cannot be loaded, or it has another checksum than index.html says.`);
  });
  if (!response.ok) throw new Error(`${address} cannot be loaded (${response.status})`);
  ort.env.wasm.wasmBinary = await response.arrayBuffer();
}

export class Translator {
  #sessions = new Map();

  constructor(config, source, target) {
    Object.assign(this, { config, source: new Tokenizer(source), target: new Tokenizer(target) });
  }

  /** Loads the translator of the export that contains this page. */
  static async load() {
    const paths = ["../config.json", "source.tokenizer.json", "target.tokenizer.json"];
    const [files] = await Promise.all([Promise.all(paths.map(json)), loadRuntime()]);
    return new Translator(...files);
  }

  /** Returns the session of a search in a precision; it is created on first use. */
  session(search, precision) {
    const name = precision === "float32" ? `${search}.onnx` : `${search}.${precision}.onnx`;
    if (!this.#sessions.has(name)) {
      const made = fetched(`../onnx/${name}`)
        .then((response) => response.arrayBuffer())
        .then((model) => ort.InferenceSession.create(model, { executionProviders: ["wasm"] }));
      made.catch(() => this.#sessions.delete(name));
      this.#sessions.set(name, made);
    }
    return this.#sessions.get(name);
  }

  /** Returns the hypotheses of a text, best first: text, score, ids and weights. */
  async translate(text, session) {
    const { end } = this.config.ids;
    const ids = [...this.source.encode(text), end];
    const most = this.config.max_source_length;
    if (ids.length === 1) return { sourceIds: [], hypotheses: [] };
    if (ids.length > most) {
      throw new Error(`A text must have at most ${most - 1} pieces; this one has ${ids.length - 1}.`);
    }
    const found = await session.run({ source: new ort.Tensor("int32", Int32Array.from(ids), [1, ids.length]) });
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
      hypotheses.push({ ids: kept, text: this.target.decode(kept), score: found.scores.data[k], weights });
    }
    return { sourceIds: ids, hypotheses };
  }
}
