"""Bias in the data before any model: who is there, with which labels, and what gives groups away.

Reads: the part train.
Writes: report.json: groups and gaps by sensitive column and by their crossings; differences within
like rows; rows alike across groups; suspect labels; proxies; slices. Counts, never a row.
Refuses when: `given` names no column. Without a sensitive column no group is compared, the report
says so, and a rule of the gate between groups has not enough evidence.
"""

from typing import Any, Literal

import polars as pl
from pydantic import Field

from pipeline.core import audit_searches, representation
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json
from pipeline.core.groups import crossings
from pipeline.core.modality import part
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Frozen, Project

SECTIONS = ("columns",)
Search = Literal["label_noise", "proxies", "slices", "duplicates"]


class Settings(Frozen):
    min_group_size: int = Field(default=200, ge=1)
    """Groups of fewer rows are flagged `too_small`: shown, and left out of the gaps. With 200 rows
    a rate near one half is known to about ±7 percentage points."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the two-sided intervals. Where the largest of several is picked, each is widened
    so that they hold together."""
    max_depth: int = Field(default=3, ge=1)
    """How many sensitive columns are crossed at most: 2 shows pairs such as sex × race, and groups
    get small quickly."""
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
    seed: int = 0
    """Of resampling, sampling and folds."""


def run(project: Project[Settings], paths: Paths) -> None:
    train = read_parquet(paths.input("split", "train.parquet"))
    features = part(project.modality, "features")
    write_json(
        paths.output("report.json"), audited(train, project.columns, project.settings, features)
    )


def audited(
    train: pl.DataFrame, columns: Columns, settings: Settings, features: Any
) -> dict[str, Any]:
    """The report: every group by each crossing, the gaps between them, and what was searched for.

    Args:
        train: The training rows.
        features: The modality's module of that name, which knows features as arrays.

    Raises:
        ProjectError: `given` names no column.
    """
    check_given(train, columns, settings)
    labels = representation.class_labels(train, columns)
    by = [
        representation.grouped(train, names, columns, settings.min_group_size)
        for names in crossings(columns.sensitive, settings.max_depth)
    ]
    return {
        "min_group_size": settings.min_group_size,
        "confidence": settings.confidence,
        "max_depth": settings.max_depth,
        "task": columns.task,
        "rows": train.height,
        "by": {
            one.by: representation.entries(train, one, columns, labels, settings.confidence)
            for one in by
        },
        "gaps": {
            one.by: [
                gap.as_dict()
                for gap in representation.gaps(
                    train,
                    one,
                    columns,
                    labels,
                    confidence=settings.confidence,
                    num_replicates=settings.num_replicates,
                    seed=settings.seed,
                )
            ]
            for one in by
        },
        **audit_searches.searched(train, columns, labels, by, settings, features),
    }


def check_given(train: pl.DataFrame, columns: Columns, settings: Settings) -> None:
    """Refuse a column to compare within that is not there."""
    known = [name for name in columns.all if name != columns.target and name in train.columns]
    for name in settings.given:
        if name not in known:
            raise ProjectError(
                f"audit.given: expected a column other than the target, got {name!r}",
                hint=f"columns are {', '.join(known)}",
            )
