"""What a project may set of the tabular encoder and network. Light: checked first of all."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen


class EncoderSettings(Frozen):
    num_bins: int = Field(48, ge=1, le=256)
    """Quantile bins of each numeric column."""
    min_level_count: int = Field(20, ge=1)
    """A level seen less often than this in training is encoded as unknown."""


class NetworkSettings(Frozen):
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (128, 64), json_schema_extra={"unit": "neurons"}
    )
    """Widths of the hidden layers, in neurons."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of activations dropped while training."""
    embedding_width: int = Field(16, ge=1)
    """Upper limit of an embedding's width; few levels get fewer."""


class AugmentationSettings(Frozen):
    """No keys: rows of a table are learned from as they are."""


class SyntheticSettings(Frozen):
    target: Literal["independent", "min_rows"] = "independent"
    """How many rows are made: as few as make group and label independent, or as many as bring every
    group and label up to `min_rows`."""
    min_rows: int = Field(200, ge=2)
    """Rows of every group and label to reach, with `target: min_rows`."""
    num_epochs: int | None = Field(None, ge=1)
    """Passes of the generator over its rows; its own number when not given."""
    batch_size: int = Field(256, ge=2)
    """Rows per step of the generator."""
    learning_rate: float = Field(3e-3, gt=0, le=1)
    """The generator's largest step size."""
    width: int = Field(128, ge=4, json_schema_extra={"unit": "neurons"})
    """Of the generator's hidden layers, in neurons."""
    max_column_distance: float = Field(0.1, gt=0, le=1)
    """The most that a column's made values may differ from real ones."""
    max_discriminator_auc: float = Field(0.65, gt=0.5, le=1)
    """The most that a classifier may tell made rows from real ones by; 0.5 is guessing."""
    max_closer_to_seen: float = Field(0.55, gt=0.5, le=1)
    """The largest share of made rows nearer to real rows that their generator has seen."""
    max_copies_beyond_chance: float = Field(0.02, gt=0, le=1)
    """The largest share of made rows that copy a real row, beyond what chance gives."""
