// What the page says: the translators and their sentences, the scores, the parts of a step, the questions.
"use strict";

const storedOf = (translator) => STORED[`play-${translator}`];

// ---- The right answer (training/playing/commands.py): word by word, but "don't" waits for the noun

const VERBS = ["eat", "buy", "cut", "bake", "share", "fetch"];
const NOUNS = ["pizza", "soup", "pear", "cake", "potato"];
const GERMAN = {
  eat: "iss", buy: "kauf", cut: "schneide", bake: "back", share: "teile", fetch: "hol",
  pizza: "Pizza", soup: "Suppe", pear: "Birne", cake: "Torte", potato: "Kartoffel",
  big: "große", red: "rote", cold: "kalte", cheap: "billige", old: "alte", sweet: "süße",
  delicious: "lecker", fresh: "frisch", strange: "seltsam", looking: "aussehende", smelling: "riechende",
  and: "und", the: "die", "don't": "nicht",
};

const ONE = `(don't )?(${VERBS.join("|")}) the ([a-z]+ )*?(${NOUNS.join("|")})`;
const COMMANDS = new RegExp(`^${ONE}( and ${ONE})*$`);

/** Translates word by word, except that "don't" waits for the noun that ends its command. */
function translated(words) {
  const german = [];
  let isNegated = false;
  for (const word of words) {
    isNegated ||= word === "don't";
    if (word !== "don't") german.push(GERMAN[word]);
    if (NOUNS.includes(word) && isNegated) {
      german.push(GERMAN["don't"]);
      isNegated = false;
    }
  }
  return german;
}

/** Returns the tokens of the right answer, or null if it is not known. */
function rightAnswer(translator, tokens) {
  const stored = storedOf(translator);
  const words = tokens.slice(0, -1).map(({ text }) => text);
  if (translator === "commands") return words.every((word) => Object.hasOwn(GERMAN, word)) && COMMANDS.test(words.join(" ")) ? translated(words) : null;
  const source = stored.type === "char" ? words.join("").replaceAll("\u2423", " ") : words.join(" ");
  const pair = [...(TRANSLATORS[translator].answers ?? []), ...stored.pairs].find(([known]) => known.toLowerCase() === source);
  if (!pair) return null;
  return stored.type === "char" ? [...pair[1]] : pair[1].split(" ");
}

const LONG = "don't eat the delicious looking and smelling pizza and buy the big cold soup and don't cut the red cake";
const FULL = "don't eat the pear and don't cut the cheap potato and don't cut the old soup";

const TRANSLATORS = {
  commands: {
    title: "Commands, English to German",
    about:
      "German puts the negation last: “don't eat the pizza” is “iss die Pizza nicht”. So “don't” has to be remembered until its command has been written. All its models have states of 32 numbers, saw the same sentences equally long, and differ in the score alone.",
    examples: ["don't eat the big pizza", FULL, LONG],
  },
  dates: {
    title: "Dates, ten languages to digits",
    about:
      "It reads a date letter by letter, as people write it, and writes year, month and day. The order of the parts and the names of the months differ from language to language, so it has to look in different places. It has learned the years from 1900 to 2100, and writes something like a date whatever it reads. ␣ is a space.",
    examples: ["le 14 juillet 1989", "saturday, june 1, 2019", "2088/01/06", "3. mai 1979", "24 de diciembre de 2031"],
    answers: [
      ["le 14 juillet 1989", "1989-07-14"],
      ["saturday, june 1, 2019", "2019-06-01"],
      ["2088/01/06", "2088-01-06"],
      ["3. mai 1979", "1979-05-03"],
      ["24 de diciembre de 2031", "2031-12-24"],
    ],
  },
  lecture: {
    title: "The lecture's, in two numbers",
    about:
      "The smallest translator with attention, English to Spanish: every vector has two numbers, so that everything can be followed on paper and drawn in the plane. It knows six sentences by heart.",
    examples: ["let's go", "to go", "let's eat", "to eat", "let's read", "to read"],
  },
};

// ---- Scores

const LUONG = "https://arxiv.org/abs/1508.04025";
const BAHDANAU = "https://arxiv.org/abs/1409.0473";
const SCORE_TEXTS = {
  dot: {
    name: "dot product",
    equation: "score(q, k) = q · k",
    text: "Multiply query and key number by number and add up: large where both are large and have the same sign. Long vectors get larger scores.",
    paper: ["Luong, Pham and Manning 2015, section 3.1", LUONG],
    python: ["keras_attention/scores.py", "scores.html#dot", "return linear(query, key, transposed=True)"],
  },
  scaled_dot: {
    name: "scaled dot product",
    equation: "score(q, k) = q · k / √D",
    text: "The dot product divided by the square root of the size of the vectors, so that the scores of long vectors do not grow. Transformers use this one.",
    paper: ["Vaswani et al. 2017, equation 1", "https://arxiv.org/abs/1706.03762"],
    python: ["keras_attention/scores.py", "scores.html#scaled_dot", "return dot(query * (1.0 / math.sqrt(query.shape[-1])), key)"],
  },
  cosine: {
    name: "cosine",
    equation: "score(q, k) = q · k / (|q| |k|)",
    text: "The angle alone counts, not how long the vectors are. So a score lies between −1 and 1, and at temperature 1 no share can be more than e² = 7.4 times another.",
    paper: ["Graves, Wayne and Danihelka 2014, equation 6", "https://arxiv.org/abs/1410.5401"],
    python: ["keras_attention/scores.py", "scores.html#cosine", "cosines = dot(unit_vectors(query), unit_vectors(key))"],
  },
  general: {
    name: "bilinear (general)",
    equation: "score(q, k) = q · (k W)",
    text: "A learned matrix W turns the key before the product. So query and key need not speak the same language, or have the same size.",
    paper: ["Luong, Pham and Manning 2015, section 3.1", LUONG],
    python: ["keras_attention/scores.py", "scores.html#general", 'return dot(query, ops.matmul(_rank_3("general", "key", key), kernel))'],
  },
  additive: {
    name: "small network (additive)",
    equation: "score(q, k) = v · tanh(q W_q + k W_m)",
    text: "A network with one hidden layer reads query and key and gives one number. Its hidden units are what is multiplied by v and added up here.",
    paper: ["Bahdanau, Cho and Bengio 2015, appendix A.1.2", BAHDANAU],
    python: ["keras_attention/scores.py", "scores.html#additive", "hidden = ops.tanh(ops.expand_dims(projected, 1) + key)"],
  },
  none: {
    name: "no attention",
    equation: "all that the decoder has is the encoder's last state",
    text: "This model has no attention: nothing but the encoder's last state tells it what the sentence was. That state has as many numbers for twenty words as for two.",
    paper: ["Sutskever, Vinyals and Le 2014, section 2", "https://arxiv.org/abs/1409.3215"],
    python: ["keras_attention/recurrent/decoder.py", "recurrent/decoder.html#AttentionDecoder", "Without attention, it is a plain decoder: `o_t = f(s_t)`."],
  },
};

// ---- The parts of a step

const PARTS = {
  query: {
    title: "1. The query: what it is looking for",
    text: "The decoder reads the word that it wrote last, and its cell (one step of an LSTM) makes a vector of it and of all that it wrote before. Each square is one of its numbers: blue below zero, orange above.",
    equation: "q = s_t = LSTM(x_t, s_t−1)",
    paper: ["Luong, Pham and Manning 2015, section 3", LUONG],
    python: ["keras_attention/recurrent/query_times.py", "recurrent/decoder.html#AttentionDecoder", "output, after = run_stack(cells, inputs, states)"],
  },
  scores: {
    title: "2. The scores: how well each word fits",
    text: "Each word that was read has a vector, too, its key: what the encoder knew when it had read up to it. A score is one number for how well query and key fit; the table below has them.",
  },
  shares: {
    title: "3. The softmax: from scores to shares",
    text: "exp(x) is 2.718… to the power of x, so it makes every score positive, and dividing by the total makes the shares add up to 100\u202f%: raise one, and the others fall. Drag a share to force the attention there, or take a word's tick away to mask it out; the temperature divides all scores first.",
    equation: "share_j = exp(score_j / temperature) / Σ_i exp(score_i / temperature)",
    paper: ["Bahdanau, Cho and Bengio 2015, equation 6", BAHDANAU],
    python: ["keras_attention/masking.py", "masking.html#masked_softmax", "return ops.cast(ops.where(may, _softmax(scores), 0.0), dtype)"],
  },
  context: {
    title: "4. The weighted sum: what it gets to see",
    text: "Every key times its share, added up, is the context. A share near 100\u202f% makes the context nearly that word's key; equal shares make it the mean of all.",
    equation: "context = Σ_j share_j k_j",
    paper: ["Bahdanau, Cho and Bengio 2015, equation 5", BAHDANAU],
    python: ["keras_attention/attention/scored.py", "attention/scored.html#Attention", "return linear(kept, memory.values), weights, state"],
  },
  next: {
    title: "5. The next word",
    text: "Query and context side by side, times a matrix, give a number for every word that it can write; a softmax makes them probabilities. The likeliest is written, and read in the next step.",
    equation: "p = softmax([q; context] W + b)",
    paper: ["Luong, Pham and Manning 2015, equation 6, without the layer of equation 5", LUONG],
    python: ["keras_attention/model/seq2seq.py", "model/seq2seq.html#Seq2Seq.decode_step", "logits = project(output, self.logits or self.target_embedding)"],
  },
};

// ---- Questions: what to look at, and the addresses that show it

// A link: its name, the state that it leads to, what to look for there.
const QUESTIONS = [
  {
    question: "Why is “don't” lost without attention?",
    links: [
      ["one command", { score: "none", beside: "dot", text: "don't eat the pear", step: 4 }, "both write “nicht”: one command fits into the state."],
      ["three commands", { score: "none", beside: "dot", text: FULL, step: 16 }, "the words marked wrong, and which word the framed row, the last “nicht”, looks at with attention."],
    ],
    text: "Without attention the whole sentence has to pass through one state, 32 numbers that the model remembers, and every further word changes them. One command fits. Of three, adjectives and one “don't” come out wrong or not at all; which ones, nobody can tell beforehand: there is no room for all of them. With attention each step has a path of its own to every word, so little has to be carried.",
  },
  {
    question: "What does the softmax do that the scores do not?",
    links: [
      ["temperature 1", { text: LONG, step: 7 }, "the columns “score” and “share” in part 3: how far the scores are apart, and what is made of it."],
      ["temperature 4", { text: LONG, step: 7, temperature: 4 }, "the same scores, closer together once they are divided: paler squares, smaller differences between shares."],
      ["hardmax", { text: LONG, step: 7, temperature: 0 }, "one square in each row: the best word alone."],
      ["uniform", { text: LONG, step: 7, temperature: Infinity }, "all shares are the same, and every step sees the same context."],
    ],
    text: "Scores may be negative and add up to anything, so a sum weighted by them would be no mean of the words, and its size would jump from step to step. The softmax makes them shares of one whole; only differences count: at temperature 1, a score larger by 1 is a share 2.7 times as large. Heat the scores, and the winner dissolves into the mean of all words; cool them, and only the winner is left. Here the best word alone would nearly do. But a softmax can also mix words, and training can raise a share a little and see whether that helps, which taking the best does not allow.",
  },
  {
    question: "What changes with a cosine?",
    links: [
      ["beside the dot product", { score: "cosine", beside: "dot", text: LONG, step: 7 }, "pale squares under the cosine, and the word that it gets wrong."],
      ["at half the temperature", { score: "cosine", beside: "dot", text: LONG, step: 7, temperature: 0.5 }, "both are sharper, and the wrong word stays wrong."],
      ["in the plane", { translator: "lecture", text: "let's go", score: "cosine", beside: "dot", step: 1 }, "the arrows in part 4. Turning the query changes a cosine, stretching it does not; a dot product changes with both. With three words to choose from, the cosine manages as well."],
    ],
    text: "The cosine divides by the lengths of both vectors, so its scores stay between −1 and 1. At temperature 1, at which all the models were trained, the softmax of such scores cannot point: among twenty words even the best gets only a small share, and the context is nearly a mean. The model has learned to read small differences in it, and most words still come out right; in long sentences some do not. A dot product keeps the lengths, so scores can lie 10 apart, and the softmax points. The temperature divides the scores of both, but half of it is not what the models were trained with.",
  },
  {
    question: "Where did the decoder look when it wrote the year?",
    links: [
      ["the year last", { translator: "dates", text: "le 14 juillet 1989", step: 1 }, "the first four rows of the whole picture: their strongest squares are at the year."],
      ["the year first", { translator: "dates", text: "2088/01/06", step: 1 }, "the first four rows again: the squares have moved with the year."],
      ["with a day of the week", { translator: "dates", text: "saturday, june 1, 2019", step: 1 }, "the first four rows: Saturday and the day have digits and letters, too, but the squares are at the year."],
    ],
    text: "In the first four rows of the whole picture the strongest squares are at the year, wherever it stands in the text. A square may lie a letter or two later than you expect, because a key knows all that was read up to it.",
  },
  {
    question: "What if it looked at another word?",
    links: [["force “buy” onto “cut”", { text: "buy the big cold soup and cut the red cake", step: 1, shares: { 1: { 7: 1 } } }, "the first word that it writes; then press “Release shares”."]],
    text: "The first step is forced to look at the second verb, and writes that one's translation: the decoder has nothing else to tell it which verb to write. Release the share, and the model's own come back. A step that writes “die” hardly minds where it looks; verbs, adjectives and nouns do.",
  },
];
