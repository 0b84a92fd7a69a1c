"""The decisions of a policy about the rows of a table, by group where the policy is.

The service takes its groups from requests; everything else decides with this.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.groups import CROSS, level_names
from pipeline.core.prediction.policy import Policy, draws
from pipeline.core.prediction.prediction import ROWS_AT_ONCE, Predictor

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


def decided(policy: Policy, model: Predictor, rows: pl.DataFrame, probability: Floats) -> Bits:
    """The decisions, shape (rows,).

    Args:
        policy: Decides.
        model: Its encoder makes of a row what chance is drawn from.
        rows: Clean rows, with the policy's columns where it has some.
        probability: Of the same rows, by the policy, shape (rows,).
    """
    if policy.by_group is None:
        return policy.decide(probability)
    drawn = [np.zeros(0)]
    for part in rows.iter_slices(ROWS_AT_ONCE):
        drawn.append(draws(model.encoder.encode(part), policy.by_group.salt))
    return policy.decide(probability, groups_of(policy, rows), np.concatenate(drawn))


def groups_of(policy: Policy, rows: pl.DataFrame) -> list[str]:
    """Each row's group as the policy names it; nothing for a policy that asks for none."""
    if policy.by_group is None:
        return []
    edges = policy.by_group.edges
    named = [level_names(rows[name], edges.get(name)) for name in policy.columns]
    joined = pl.DataFrame(named).select(pl.concat_str(pl.all(), separator=CROSS))
    return joined.to_series().to_list()


def counted(policy: Policy, rows: pl.DataFrame, probability: Floats) -> dict[str, int]:
    """How many rows chance decides about, and how many the threshold for everybody, since their
    group has none of its own; nothing for a policy that asks for no group."""
    if policy.by_group is None:
        return {}
    groups = groups_of(policy, rows)
    chance = policy.chance(probability, groups)
    return {
        "num_randomised": int(((chance > 0) & (chance < 1)).sum()),
        "num_fallback": sum(name not in policy.by_group.groups for name in groups),
    }
