"""What a project may set of the tabular encoder and network. Light: checked first of all."""

from pydantic import Field

from pipeline.core.project import Frozen


class EncoderSettings(Frozen):
    num_bins: int = Field(48, ge=1, le=256)
    """Quantile bins of each numeric column."""
    min_level_count: int = Field(20, ge=1)
    """A level seen less often than this in training is encoded as unknown."""


class NetworkSettings(Frozen):
    hidden: tuple[int, ...] = (128, 64)
    """Widths of the hidden layers, in neurons."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of activations dropped while training."""
    embedding_width: int = Field(16, ge=1)
    """Upper limit of an embedding's width; few levels get fewer."""
