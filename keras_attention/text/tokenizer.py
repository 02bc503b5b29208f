"""Text to ids and back, by SentencePiece.

The `sentencepiece` package trains and runs on the host; `tensorflow_text` runs the same model in a
TensorFlow graph. Both are imported only when used.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from keras_attention.checks import check_one_of
from keras_attention.ids import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

ModelType = Literal["char", "unigram", "bpe", "word"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
MODEL_TYPES: tuple[str, ...] = get_args(ModelType)
NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)
_SPACE = "▁"
_RESERVED = "▅"  # SentencePiece's trainer leaves out every line that has one
_MAX_BYTES = 2**30  # of a line to learn from, the trainer's own bound; by default it skips 5 kB


class SentencePieceTokenizer:
    """A SentencePiece model with this package's ids: 0 padding, 1 start, 2 end, 3 unknown.

    Args:
        model: The serialized model, what a `.model` file holds.

    Raises:
        ValueError: If the bytes are not a SentencePiece model, or its special ids are others.
    """

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise ValueError(
                "Argument `model` must be a serialized SentencePiece model. "
                f"Received: {len(model)} bytes that do not load ({error})"
            ) from error
        processor = self._processor
        ids = (processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id())
        if ids != (PADDING_ID, START_ID, END_ID, UNKNOWN_ID):
            raise ValueError(
                "Argument `model` must have the ids padding 0, start 1, end 2, unknown 3. "
                f"Received: a model with padding, start, end, unknown = {ids}"
            )

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        vocabulary_size: int,
        model_type: ModelType = "unigram",
        normalization: Normalization = "nmt_nfkc",
    ) -> SentencePieceTokenizer:
        """Train a model.

        Args:
            sentences: Text to learn from, all of it, however long a sentence is. The same text
                gives the same model.
            vocabulary_size: The most tokens, special ones included.
            model_type: `"char"`, `"unigram"`, `"bpe"` or `"word"`. Unigram and bpe keep every
                character they saw and fall back to bytes for those they did not; char and word
                keep the most frequent characters and words. What does not fit is unknown, and a
                run of such characters or words is one unknown token.
            normalization: SentencePiece's rule. `"nfkc"` is Unicode's: "ﬁ" becomes "fi", "１" and
                "①" "1", a letter and the combining mark behind it one character. `"nmt_nfkc"` also
                makes spaces of tabs, line ends, direction marks, the zero-width space and
                non-joiner, and drops control characters. `"nfkc_cf"` and `"nmt_nfkc_cf"` also fold
                case; of a target too, so that the model's output is lower-cased. "ẞ" becomes "ß",
                which stays, and "ς" "σ". They know no language: Turkish "I" becomes "i", and "İ"
                stays. `"identity"` changes no character. With every rule, spaces at the ends go
                and several become one; `normalize` shows what is left of a text.

        Returns:
            The tokenizer.

        Raises:
            ValueError: If `model_type` or `normalization` is unknown, or SentencePiece cannot train
                with these arguments: there is no text, or `vocabulary_size` is too small for it;
                or a sentence has a lone surrogate, which no text can have.
            TypeError: If `sentences` is a string, or holds something else.
        """
        import sentencepiece

        check_one_of("model_type", model_type, MODEL_TYPES)
        check_one_of("normalization", normalization, NORMALIZATIONS)
        lines = [text.replace(_RESERVED, " ") for text in _checked("sentences", sentences)]
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                max_sentence_length=_MAX_BYTES,
                model_writer=model,
                vocab_size=vocabulary_size,
                model_type=model_type,
                normalization_rule_name=normalization,
                character_coverage=1.0,
                byte_fallback=model_type in ("unigram", "bpe"),
                add_dummy_prefix=model_type != "char",
                hard_vocab_limit=False,
                pad_id=PADDING_ID,
                bos_id=START_ID,
                eos_id=END_ID,
                unk_id=UNKNOWN_ID,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ValueError(
                "Argument `vocabulary_size` must hold the special tokens and, for unigram and bpe, "
                "every character and byte, and there must be text. "
                f"Received: vocabulary_size={vocabulary_size}, model_type={model_type!r} ({error})"
            ) from error
        return cls(model.getvalue())

    @classmethod
    def from_file(cls, path: str | Path) -> SentencePieceTokenizer:
        """The tokenizer in a `.model` file."""
        return cls(Path(path).read_bytes())

    def save(self, path: str | Path) -> None:
        """Write the `.model` file."""
        Path(path).write_bytes(self.model)

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, special ones included."""
        return int(self._processor.get_piece_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without start and end.

        Raises:
            TypeError: If `texts` is a string, or holds something else.
            ValueError: If a text has a lone surrogate; the message gives its place in the list.
        """
        return [list(ids) for ids in self._processor.encode(list(_checked("texts", texts)))]

    def normalize(self, texts: Sequence[str]) -> list[str]:
        r"""What the model reads of each text; errors as in `encode`.

        A model with byte fallback, unigram or bpe, loses nothing more: it is what `decode` gives
        of the ids of the text.

        Example:
            >>> tokenizer = SentencePieceTokenizer.train(["abc"], 300, "bpe", "nmt_nfkc_cf")
            >>> tokenizer.normalize(["  Größe:\u00a0４２\tﬁt "])
            ['größe: 42 fit']
        """
        normalized = self._processor.normalize(list(_checked("texts", texts)))
        return [text.replace(_SPACE, " ").lstrip(" ") for text in normalized]

    def surfaces(self, texts: Sequence[str]) -> list[list[str]]:
        """What each token of each text is in the normalized text, unknown ones as they are written.

        A space is "▁"; errors as in `encode`.
        """
        return self._processor.encode(list(_checked("texts", texts)), out_type=str)

    def decode_with(self, ids: Sequence[int], unknown: Sequence[str]) -> str:
        """Text of ids, in which the unknown tokens are, in their order, what `unknown` says.

        Example:
            >>> tokenizer = SentencePieceTokenizer.train(["to see a cat"], 16, "word")
            >>> (ids,) = tokenizer.encode(["a zoo to see"])
            >>> tokenizer.decode([ids])[0], tokenizer.decode_with(ids, ["▁zoo"])
            ('a ⁇  to see', 'a zoo to see')
        """
        words = iter(unknown)
        pieces = [
            next(words) if i == UNKNOWN_ID else self._processor.id_to_piece(int(i))
            for i in ids
            if i not in (PADDING_ID, START_ID, END_ID)
        ]
        return self._processor.decode(pieces).replace(_SPACE, " ").lstrip(" ")

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Text of each list of ids; special tokens are left out.

        An unknown token becomes " ⁇ ", bytes that are no UTF-8 become "\ufffd".
        """
        skipped = (PADDING_ID, START_ID, END_ID)
        return [
            self._processor.decode([int(i) for i in row if int(i) not in skipped]) for row in ids
        ]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What each id stands for, as one reads it: a space is "␣", the end "⏎"."""
        names = {END_ID: "⏎", UNKNOWN_ID: "�"}
        return [
            names.get(int(i)) or self._processor.id_to_piece(int(i)).replace(_SPACE, "␣")
            for i in ids
        ]

    def graph(self) -> Any:
        """The same tokenizer for TensorFlow graphs; a module that wants to save it must track it.

        It is named after its content, because TensorFlow takes two tokenizers of a loaded model
        for one where their names are equal.

        Returns:
            A `tensorflow_text.SentencepieceTokenizer`; ids are int32, without start and end.
        """
        import tensorflow as tf
        import tensorflow_text

        name = f"sentencepiece_{hashlib.sha256(self.model).hexdigest()[:16]}"
        return tensorflow_text.SentencepieceTokenizer(self.model, out_type=tf.int32, name=name)


def _checked(name: str, texts: Iterable[str]) -> Iterator[str]:
    """The texts, if they are strings that UTF-8 can write."""
    if isinstance(texts, str | bytes):
        raise TypeError(f"Argument `{name}` must be a list of strings. Received: {name}={texts!r}")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise TypeError(
                f"Argument `{name}` must be a list of strings. Received: number {number}, {text!r}"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            around = text[max(error.start - 20, 0) : error.end + 20]
            raise ValueError(
                f"Argument `{name}` must hold no lone surrogates, which UTF-8 cannot write. "
                f"Received: number {number}, with one at character {error.start}: {around!r}"
            ) from error
        yield text
