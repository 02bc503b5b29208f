"""Text to ids and back, with SentencePiece.

The `sentencepiece` package trains and runs on the host; `tensorflow_text` runs the same model in a
TensorFlow graph. Both are imported only when used.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal, get_args

from keras_attention.checks import check_one_of
from keras_attention.files import write
from keras_attention.ids import END_ID, PADDING_ID, START_ID, UNKNOWN_ID
from keras_attention.text.conversion import with_our_ids

ModelType = Literal["char", "unigram", "bpe", "word"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
MODEL_TYPES: tuple[str, ...] = get_args(ModelType)
NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)
_SPACE = "▁"
_RESERVED = "▅"  # SentencePiece's trainer skips every line that contains it
_MAX_BYTES = 2**30  # per line, the trainer's upper bound; by default it skips lines above 4 kB


class SentencePieceTokenizer:
    """A SentencePiece model with this package's ids: 0 padding, 1 start, 2 end, 3 unknown.

    Args:
        model: The serialized model, as stored in a `.model` file.

    Raises:
        ValueError: If the bytes are not a SentencePiece model, or it has other special ids.

    Example:
        >>> import keras_attention as ka
        >>> tokenizer = ka.SentencePieceTokenizer.train(["to see a cat"], 16, "word")
        >>> ids = tokenizer.encode(["a cat", "a dog to see"])
        >>> [tokenizer.pieces(row) for row in ids]  # "dog" is unknown
        [['␣a', '␣cat'], ['␣a', '�', '␣to', '␣see']]
        >>> tokenizer.decode(ids)[0]
        'a cat'
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
                f"Received: {len(model)} bytes that cannot be loaded ({error})"
            ) from error
        processor = self._processor
        ids = (processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id())
        if ids != (PADDING_ID, START_ID, END_ID, UNKNOWN_ID):
            raise ValueError(
                "Argument `model` must use the ids padding 0, start 1, end 2, unknown 3; "
                "`SentencePieceTokenizer.from_sentencepiece` converts a model with others. "
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
            sentences: The training text; all of it is used, however long a sentence is. The same
                text always gives the same model.
            vocabulary_size: Maximum number of tokens, including special ones.
            model_type: `"char"`, `"unigram"`, `"bpe"` or `"word"`. Unigram and bpe keep every
                character in the training text and fall back to bytes for others; char and word keep
                the most frequent characters and words. All others are unknown, and a run of unknown
                characters or words is one unknown token.
            normalization: SentencePiece's rule. `"nfkc"` is Unicode's: "ﬁ" becomes "fi", "１" and
                "①" become "1", and letters are composed with combining marks. `"nmt_nfkc"` also
                turns tabs, line breaks, direction marks, the zero-width space and non-joiner into
                spaces, and drops control characters. `"nfkc_cf"` and `"nmt_nfkc_cf"` also fold
                case, so a target tokenizer makes the model's output lower-case. "ẞ" becomes "ß",
                which stays, and "ς" becomes "σ". Folding ignores the language: Turkish "I" becomes
                "i", and "İ" stays. `"identity"` changes no character. Every rule strips spaces at
                the ends and collapses repeated ones; `normalize` shows the result for a text.

        Returns:
            The tokenizer.

        Raises:
            ValueError: If `model_type` or `normalization` is unknown, SentencePiece cannot train
                with these arguments (there is no text, or `vocabulary_size` is too small for it),
                or a sentence contains a lone surrogate, which is not valid Unicode text.
            TypeError: If `sentences` is a string, or an item is not a string.
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
                "Argument `vocabulary_size` must leave room for the special tokens and, for "
                "unigram and bpe, every character and byte, and there must be text. "
                f"Received: vocabulary_size={vocabulary_size}, model_type={model_type!r} ({error})"
            ) from error
        return cls(model.getvalue())

    @classmethod
    def from_sentencepiece(cls, model: bytes) -> SentencePieceTokenizer:
        """Convert an existing SentencePiece model, for example one trained for another system.

        The pieces are reordered: padding, start, end and unknown first, then all others in their
        order. Every text has the same pieces as before, with other ids; decoding is unchanged. If
        the model has no symbol for padding, start or end, it is added. User-defined symbols and
        further control symbols are kept.

        Args:
            model: The serialized model, as stored in a `.model` file: unigram, bpe, char or word.

        Raises:
            ValueError: If the bytes are not a SentencePiece model, or it has unused pieces, a
                denormalization rule, spaces at the ends of words, or spaces that are not escaped.

        Example:
            >>> import io, sentencepiece
            >>> model = io.BytesIO()  # unknown 0, start 1, end 2, no padding
            >>> sentencepiece.SentencePieceTrainer.train(
            ...     sentence_iterator=iter(["to see a cat"]),
            ...     model_writer=model,
            ...     vocab_size=7,
            ...     model_type="word",
            ...     minloglevel=2,
            ... )
            >>> tokenizer = SentencePieceTokenizer.from_sentencepiece(model.getvalue())
            >>> tokenizer.pieces([0, 1, 2, 3, *tokenizer.encode(["a cat"])[0]])
            ['<pad>', '<s>', '⏎', '�', '␣a', '␣cat']
        """
        return cls(with_our_ids(model))

    @classmethod
    def from_file(cls, path: str | Path) -> SentencePieceTokenizer:
        """Load the tokenizer from a `.model` file."""
        return cls(Path(path).read_bytes())

    def save(self, path: str | Path) -> None:
        """Write the `.model` file."""
        write(path, self.model)

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, including special ones."""
        return int(self._processor.get_piece_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without start and end.

        Raises:
            TypeError: If `texts` is a string, or an item is not a string.
            ValueError: If a text contains a lone surrogate; the message gives the text's number.
        """
        return [list(ids) for ids in self._processor.encode(list(_checked("texts", texts)))]

    def normalize(self, texts: Sequence[str]) -> list[str]:
        r"""Normalize each text as the model does; errors as in `encode`.

        With byte fallback (unigram or bpe) nothing else is lost: `decode` restores exactly this
        text from the ids.

        Example:
            >>> tokenizer = SentencePieceTokenizer.train(["abc"], 300, "bpe", "nmt_nfkc_cf")
            >>> tokenizer.normalize(["  Größe:\u00a0４２\tﬁt "])
            ['größe: 42 fit']
        """
        normalized = self._processor.normalize(list(_checked("texts", texts)))
        return [self._without_prefix(text.replace(_SPACE, " ")) for text in normalized]

    def surfaces(self, texts: Sequence[str]) -> list[list[str]]:
        """Split each normalized text into token strings; unknown tokens stay as written.

        A space is "▁"; errors as in `encode`.
        """
        return self._processor.encode(list(_checked("texts", texts)), out_type=str)

    def decode_with(self, ids: Sequence[int], unknown: Sequence[str]) -> str:
        """Decode ids, replacing the unknown tokens by the strings in `unknown`, in order.

        Example:
            >>> tokenizer = SentencePieceTokenizer.train(["to see a cat"], 16, "word")
            >>> (ids,) = tokenizer.encode(["a zoo to see"])
            >>> tokenizer.decode([ids])[0], tokenizer.decode_with(ids, ["▁zoo"])
            ('a ⁇  to see', 'a zoo to see')
        """
        words = iter(unknown)
        kept = [int(i) for i in ids if i not in (PADDING_ID, START_ID, END_ID)]
        pieces = [next(words) if i == UNKNOWN_ID else self._processor.id_to_piece(i) for i in kept]
        text = self._processor.decode(pieces).replace(_SPACE, " ")
        return self._without_prefix(text, is_decoded=kept[:1] != [UNKNOWN_ID])

    def _without_prefix(self, text: str, is_decoded: bool = False) -> str:
        """Remove the spaces at the start of a normalized text that decoding removes.

        If the text `is_decoded`, the space that normalization adds has been removed.
        """
        if _SPACE * 2 not in self._processor.normalize("a  b"):  # every rule of `train` does this
            return text.lstrip(" ")
        has_prefix = not is_decoded and self._processor.normalize("a").startswith(_SPACE)
        return text.removeprefix(" ") if has_prefix else text

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Decode each list of ids; special tokens are skipped.

        An unknown token becomes " ⁇ ", and bytes that are not UTF-8 become "\ufffd".
        """
        skipped = (PADDING_ID, START_ID, END_ID)
        return [
            self._processor.decode([int(i) for i in row if int(i) not in skipped]) for row in ids
        ]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Readable tokens for ids: a space is "␣", and the end token is "⏎"."""
        names = {END_ID: "⏎", UNKNOWN_ID: "�"}
        return [
            names.get(int(i)) or self._processor.id_to_piece(int(i)).replace(_SPACE, "␣")
            for i in ids
        ]

    def graph(self) -> Any:
        """The same tokenizer for TensorFlow graphs; a module must track it in order to save it.

        Its name is a hash of its content, because in a loaded model TensorFlow would merge two
        tokenizers of the same name.

        Returns:
            A `tensorflow_text.SentencepieceTokenizer`; ids are int32, without start and end.
        """
        import tensorflow as tf
        import tensorflow_text

        name = f"sentencepiece_{hashlib.sha256(self.model).hexdigest()[:16]}"
        return tensorflow_text.SentencepieceTokenizer(self.model, out_type=tf.int32, name=name)


def listed(name: str, texts: Iterable[str]) -> list[str]:
    """Texts as a list; `TypeError` for a single string, and for what has no order."""
    if isinstance(texts, str | bytes | Mapping | Set) or not isinstance(texts, Iterable):
        raise TypeError(f"Argument `{name}` must be a list of strings. Received: {name}={texts!r}")
    return list(texts)


def _checked(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts after checking that they are strings that UTF-8 can encode."""
    texts = listed(name, texts)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise TypeError(
                f"Argument `{name}` must be a list of strings. Received: item {number}, {text!r}"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            around = text[max(error.start - 20, 0) : error.end + 20]
            raise ValueError(
                f"Argument `{name}` must not contain lone surrogates, which UTF-8 cannot encode. "
                f"Received: item {number}, with one at character {error.start}: {around!r}"
            ) from error
        yield text
