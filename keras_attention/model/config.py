"""The architecture of a sequence-to-sequence model, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature

from keras_attention.attention.registry import ALIGNMENTS, PASTS
from keras_attention.checks import check_fraction, check_not_negative, check_one_of, check_positive
from keras_attention.ids import UNKNOWN_ID
from keras_attention.recurrent.query_times import QUERY_TIMES, QueryTime
from keras_attention.stored import Architecture, choices_of

_CHOICES = choices_of(Architecture)
_SIZES = (
    "source_vocabulary",
    "target_vocabulary",
    "embedding_size",
    "encoder_units",
    "encoder_layers",
    "decoder_units",
    "decoder_layers",
    "attention_units",
    "num_heads",
)
DROPOUTS = tuple(field.name for field in fields(Architecture) if field.name.endswith("dropout"))


@dataclass(frozen=True)
class Seq2SeqConfig(Architecture):
    """Architecture of a `Seq2Seq` model.

    Args:
        source_vocabulary: Number of source tokens, including ids 0 to 3 (padding, start, end,
            unknown).
        target_vocabulary: Number of target tokens, likewise.
        embedding_size: Size of the token embeddings.
        encoder: `"bilstm"`, or `"lstm"` for one direction.
        encoder_units: Units of the encoder's LSTMs, per direction.
        encoder_layers: Number of stacked encoder layers.
        decoder_cell: `"lstm"`, `"gru"`, or `"ln-lstm"` (with layer normalization).
        decoder_units: Units of the decoder's cells.
        decoder_layers: Number of stacked decoder layers.
        residual: Whether each encoder and decoder layer above the first adds its inputs to its
            outputs.
        bridge: How to compute the decoder's initial state from the encoder's final state:
            `"dense"`, `"copy"` or `"zeros"`; or from the `"mean"` of the encoder's outputs.
        attention: `"bahdanau"`, `"luong"`, or None for a plain encoder-decoder.
        score: The score function of `"luong"`; otherwise ignored.
        attention_units: Hidden units of the additive and concat scores.
        alignment: How scores become weights: `"softmax"`, `"sparsemax"`, `"hardmax"` (which does
            not train the scores), `"monotonic"`, `"mocha"` (monotonic chunkwise), `"local-m"` or
            `"local-p"`.
        alignment_options: Arguments of the alignment's class, for example `{"window": 5}`.
        past: How past attention weights enter the next score: `"location"`, `"coverage"`, or None.
        past_options: Arguments of the past's class, for example `{"kernel_size": 11}`.
        num_heads: Number of attention heads.
        head_size: Size of each head's query and keys; None to give each head the whole ones.
        normalize: Whether the additive score uses weight normalization.
        scale: Whether Luong's scores have a learned scale.
        query: Which state queries the attention: the `"previous"` or `"current"` one, the one
            `"between"` two transitions of the lowest layer (conditional GRU or LSTM), or that of
            the `"bottom"` of two or more layers (GNMT). None for the usual choice: previous for
            `"bahdanau"`, current for `"luong"`.
        input_feeding: Whether the attention vector is concatenated to the next input; None for the
            usual choice.
        attention_layer_units: Units of the tanh layer over state and context; None for no layer.
        readout: A layer between decoder and logits that also reads the target embedding, `"tanh"`
            or `"maxout"` (deep output); None for no layer.
        readout_units: Units of the readout; None for `embedding_size`.
        tie_embeddings: `"output"` reuses the target embedding as the weights of the logits (without
            bias), `"all"` also shares it with the source. The layer before the logits (attention
            layer or readout) must then have `embedding_size` units. None for separate matrices.
        dropout: Dropout rate of embeddings, between layers, and before the logits.
        embedding_dropout: Dropout rate of embeddings, if different; None for `dropout`.
        word_dropout: Rate at which whole source and target tokens are dropped, independently of
            each other.
        recurrent_dropout: Dropout rate of recurrent states, with one mask for all steps
            (variational dropout).
        attention_dropout: Dropout rate of attention weights.
        memory_dropout: Dropout rate of the memory, the encoder outputs that attention reads.
        start_id: The decoder's first input: 1, or 2 for the end token.
        coverage_loss: Weight of the coverage loss that is added to the training loss, see
            `CoverageLoss`; 0 for none.

    Raises:
        ValueError: If a value is out of range or not one of those allowed, or embeddings are tied
            but sizes differ.

    Example:
        >>> from dataclasses import replace
        >>> import keras_attention as ka
        >>> config = ka.Seq2SeqConfig(source_vocabulary=8000, target_vocabulary=6000)
        >>> config.attention, config.alignment, config.decoder_units
        ('bahdanau', 'softmax', 512)
        >>> luong = replace(config, attention="luong", score="dot", alignment="local-p")
        >>> luong.attention, luong.score, luong.alignment
        ('luong', 'dot', 'local-p')
        >>> replace(config, encoder="gru")
        Traceback (most recent call last):
        ValueError: Argument `encoder` must be one of ('bilstm', 'lstm'). Received: encoder='gru'

    Reference: Sennrich et al. 2017 and Wu et al. 2016 (`query`, `residual`); Ba, Kiros and Hinton
    2016 (`"ln-lstm"`); Pascanu et al. 2014 and Bahdanau, Cho and Bengio 2015, appendix A.2.2
    (`readout`); Press and Wolf 2017 (tied embeddings); Gal and Ghahramani 2016 (variational
    dropout; their word dropout drops all occurrences of a word); Sennrich and Zhang 2019 (settings
    for small corpora).
    """

    def __post_init__(self) -> None:
        self._check_sizes()
        for name, allowed in _CHOICES.items():
            check_one_of(name, getattr(self, name), allowed)
        self._check_options("alignment", ALIGNMENTS[self.alignment])
        self._check_options("past", PASTS[self.past] if self.past else None)
        self._check_arrangement()
        self._check_tied()
        for name in DROPOUTS:
            if name != "embedding_dropout" or self.embedding_dropout is not None:
                check_fraction(name, getattr(self, name))
        self._check_coverage_loss()

    def _check_sizes(self) -> None:
        for name in _SIZES:
            check_positive(name, getattr(self, name))
        for name in ("attention_layer_units", "readout_units"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        for name in ("source_vocabulary", "target_vocabulary"):
            if getattr(self, name) <= UNKNOWN_ID:
                raise ValueError(
                    f"Argument `{name}` must be above {UNKNOWN_ID}, the last special id. "
                    f"Received: {name}={getattr(self, name)}"
                )

    def _check_options(self, name: str, kind: type | None) -> None:
        """Check the options of a class selected by name, by creating an instance."""
        options = getattr(self, f"{name}_options")
        known = [] if kind is None else list(signature(kind).parameters)
        unknown = [option for option in options if option not in known or option == "kwargs"]
        if unknown:
            raise ValueError(
                f"Argument `{name}_options` must hold arguments of "
                f"{None if kind is None else kind.__name__}. "
                f"Received: {name}={getattr(self, name)!r}, {name}_options={options}"
            )
        if kind is not None:
            kind(**options)  # raises if an option is invalid

    def _check_coverage_loss(self) -> None:
        check_not_negative("coverage_loss", self.coverage_loss)
        if self.coverage_loss and self.attention is None:
            raise ValueError(
                "Argument `coverage_loss` needs an attention layer. "
                f"Received: coverage_loss={self.coverage_loss}, attention=None"
            )

    def _check_arrangement(self) -> None:
        if self.readout_units is not None and self.readout is None:
            raise ValueError(
                "Argument `readout_units` needs a `readout`. "
                f"Received: readout_units={self.readout_units}, readout=None"
            )
        if self.residual and self.encoder_layers == self.decoder_layers == 1:
            raise ValueError(
                "Argument `residual=True` needs at least two encoder or decoder layers. "
                "Received: encoder_layers=1, decoder_layers=1"
            )
        if self.query is not None:
            self._check_query(QUERY_TIMES[self.query])

    def _check_query(self, time: QueryTime) -> None:
        if time.fewest_cells > 1 and self.attention is None:
            raise ValueError(
                f"Argument `query={self.query!r}` needs an attention layer. "
                "Received: attention=None"
            )
        if self.decoder_layers - 1 + time.transitions < time.fewest_cells:
            raise ValueError(
                f"Argument `query={self.query!r}` needs at least two decoder layers. "
                f"Received: decoder_layers={self.decoder_layers}"
            )

    def _check_tied(self) -> None:
        name = "attention_layer_units" if self.readout is None else "readout_units"
        units = getattr(self, name)
        if self.readout and units is None:
            units = self.embedding_size
        if self.tie_embeddings and units != self.embedding_size:
            raise ValueError(
                f"Argument `{name}` must equal `embedding_size` when `tie_embeddings` is set: "
                "the embeddings are the weights of the logits. "
                f"Received: {name}={units}, "
                f"embedding_size={self.embedding_size}, tie_embeddings={self.tie_embeddings!r}"
            )
        if self.tie_embeddings == "all" and self.source_vocabulary != self.target_vocabulary:
            raise ValueError(
                "Argument `tie_embeddings='all'` needs one vocabulary for source and target. "
                f"Received: source_vocabulary={self.source_vocabulary}, "
                f"target_vocabulary={self.target_vocabulary}"
            )
