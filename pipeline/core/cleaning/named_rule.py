"""What every cleaning rule has: a name, and what it needs to see."""

from typing import ClassVar

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen


class Named(Frozen):
    compares_rows: ClassVar[bool] = False
    """Whether it needs all rows at once: it cannot be applied to one slice after the other."""
    of_requests: ClassVar[bool] = True
    """Whether it says something about a single row's values."""

    name: str = Field(min_length=1)
    """What the rule is for, in words; the ledger counts under this name."""
