"""The settings that the audit and its searches share."""

from typing import Literal

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen

Search = Literal["label_noise", "proxies", "slices", "duplicates"]


class SearchSettings(Frozen):
    min_group_size: int = Field(default=200, ge=1)
    """Groups of fewer rows are flagged `too_small`: shown, and left out of the gaps. With 200 rows
    a rate near one half is known to about ±7 percentage points."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the two-sided intervals. Where the largest of several is picked, each is widened
    so that they hold together."""
    given: tuple[str, ...] = ()
    """Columns within whose levels groups are compared again, such as `occupation`: shows whether a
    difference is one between occupations. That does not make it right: the column may itself carry
    past decisions. Numbers are cut at their quartiles."""
    look_for: tuple[Search, ...] = ("label_noise", "proxies", "slices", "duplicates")
    """What is searched for beside the measures; leave one out to save its time. The report says
    what was not looked for."""
    num_folds: int = Field(default=5, ge=2)
    """Folds of the cross-validation behind proxies and label noise."""
    proxy_feature_auc: float = Field(default=0.7, gt=0.5, lt=1)
    """A feature is called a proxy of a sensitive column when the lower bound of its AUC reaches
    this. 0.5 is guessing, 1 tells every row."""
    proxy_together_auc: float = Field(default=0.8, gt=0.5, lt=1)
    """All features together are said to give a sensitive column back from this lower bound on."""
    max_proxy_rows: int = Field(default=50_000, ge=100)
    """Proxies are measured on a random sample of so many rows where there are more."""
    max_noise_rows: int = Field(default=200_000, ge=100)
    """Suspect labels are looked for in a random sample of so many rows where there are more."""
    slice_depth: int = Field(default=2, ge=1, le=3)
    """How many columns a slice names at most. Depth 3 tries many more slices, and each must then
    stand out more to count."""
    min_slice_rows: int = Field(default=200, ge=10)
    """Smaller slices are not tested."""
    num_slices: int = Field(default=10, ge=1)
    """How many found slices the report lists on either side, the largest differences first; it
    says how many were found."""
    num_replicates: int = Field(default=20_000, ge=1000)
    """Bootstrap resamples of counts, which cost little."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of resampling, sampling and folds."""
