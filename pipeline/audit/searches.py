"""What the audit looks for beyond rates by group: like rows, suspect labels, proxies, slices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from pipeline.audit import conditional, label_noise, proxies
from pipeline.audit.representation import Grouped, Labels, grouped, twins
from pipeline.audit.search_settings import SearchSettings
from pipeline.audit.slices import doubts, sampled, sliced
from pipeline.core.settings.columns import Columns


def searched(
    train: pl.DataFrame,
    columns: Columns,
    labels: Labels | None,
    by: Sequence[Grouped],
    settings: SearchSettings,
    features: Any,
) -> dict[str, Any]:
    """The report's parts `given`, `duplicates`, `label_noise`, `proxies` and `slices`.

    A part that the settings leave out, or that the task has no such thing as, is None.
    """
    wanted = set(settings.look_for)
    doubted = (
        doubts(train, columns, labels, settings, features)
        if "label_noise" in wanted and labels is not None
        else None
    )
    return {
        "given": [
            found
            for name in settings.given
            for one in by
            if columns.task == "binary" and labels is not None and name not in one.names
            for found in [within(train, name, one, labels, settings, features)]
            if found is not None
        ],
        "duplicates": {
            one.by: twins(
                one, features.identical(train, columns, one.names), labels, settings.confidence
            )
            for one in by
        }
        if "duplicates" in wanted
        else None,
        "label_noise": doubted and doubted.report(by, settings),
        "proxies": [proxy(train, name, columns, settings, features) for name in columns.sensitive]
        if "proxies" in wanted and columns.features
        else None,
        "slices": sliced(train, columns, labels, doubted, settings, features)
        if "slices" in wanted
        else None,
    }


def within(
    train: pl.DataFrame,
    name: str,
    by: Grouped,
    labels: Labels,
    settings: SearchSettings,
    features: Any,
) -> dict[str, Any] | None:
    """Differences between groups among rows alike in the column `name`; None without two groups."""
    large = np.flatnonzero(by.large)
    if len(large) < 2:
        return None
    _, strata = np.unique(features.levels(train, name).to_numpy(), return_inverse=True)
    num_strata, num_groups = int(strata.max()) + 1, len(by.groups)
    index = (strata * num_groups + by.codes) * 2 + labels.codes
    counts = np.bincount(index, minlength=num_strata * num_groups * 2)
    counts = counts.reshape(num_strata, num_groups, 2)
    titles = by.titles
    found = conditional.conditional_differences(
        [titles[i] for i in large], counts[:, large], settings.confidence
    )
    if not found["pairs"]:
        return None
    for pair in found["pairs"]:
        pair["sentence"] = conditional.sentence(pair, name)
    return {
        "by": by.by,
        "column": name,
        "num_strata": num_strata,
        **found,
        "disparities": conditional.disparities(
            titles,
            counts,
            list(map(int, large)),
            confidence=settings.confidence,
            num_replicates=max(settings.num_replicates // 10, 1000),
            seed=settings.seed,
        ),
    }


def proxy(
    train: pl.DataFrame, name: str, columns: Columns, settings: SearchSettings, features: Any
) -> dict[str, Any]:
    """How well the features tell one sensitive column: each, and all together, ranked."""
    sample = train[sampled(train.height, settings.max_proxy_rows, settings.seed)]
    by = grouped(sample, (name,), columns, max(settings.min_group_size, settings.num_folds))
    found: dict[str, Any] = {
        "column": name,
        "is_feature": name in columns.features,
        "groups": [by.titles[i] for i in np.flatnonzero(by.large)],
        "too_small": [by.titles[i] for i in np.flatnonzero(~by.large)],
        "num_rows": int(by.sizes[by.large].sum()),
        "num_rows_of": train.height,
        "together": None,
        "features": [],
        "sentence": f"Fewer than two groups of `{name}` have enough rows to be told apart.",
    }
    others = [one for one in columns.features if one != name]
    if by.large.sum() < 2 or not others:
        return found
    kept = by.large[by.codes]
    rows = sample.filter(pl.Series(kept))
    _, groups = np.unique(by.codes[kept], return_inverse=True)
    values, categorical = features.matrix(rows, columns, (name,))
    scores, fold_of = label_noise.out_of_fold(
        values, categorical, groups, num_folds=settings.num_folds, seed=settings.seed
    )
    together = proxies.cross_validated_auc(scores, groups, fold_of, settings.confidence)
    found |= {
        "together": together,
        "features": proxies.ranked(
            {
                told: codes
                for one in others
                for told, codes in features.coded(rows, one, columns).items()
            },
            groups,
            fold_of,
            confidence=settings.confidence,
            feature_auc=settings.proxy_feature_auc,
        ),
        "sentence": proxies.sentence(
            name, name in columns.features, together, settings.proxy_together_auc
        ),
    }
    return found
