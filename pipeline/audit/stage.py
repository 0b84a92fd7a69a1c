"""Bias in the data before any model: who is there, with which labels, and what gives groups away.

Reads: the part train.
Writes: report.json: groups and gaps by sensitive column and by their crossings; differences within
like rows; rows alike across groups; suspect labels; proxies; slices. Counts, never a row.
Refuses when: `given` names no column. Without a sensitive column no group is compared, the report
says so, and a rule of the gate between groups has not enough evidence.
"""

from typing import Any

import polars as pl
from pydantic import Field

from pipeline.audit import representation
from pipeline.audit import searches as audit_searches
from pipeline.audit.search_settings import SearchSettings
from pipeline.core.dataset.groups import crossings
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project

SECTIONS = ("columns",)


class Settings(SearchSettings):
    max_depth: int = Field(default=3, ge=1)
    """How many sensitive columns are crossed at most: 2 shows pairs such as sex × race, and groups
    get small quickly."""


def run(project: Project[Settings], paths: Paths) -> None:
    train = read_parquet(paths.input("split", "train.parquet"))
    features = part(project.modality, "evaluation.features")
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
