"""What requests carry, features and what else the policy decides by; and what is enforced of it."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.core.dataset.groups import CROSS, MISSING
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.service.checks import Enforcement, demanding, enforcement


def requested(columns: Columns, policy: Policy | OutputPolicy | None) -> tuple[str, ...]:
    """The columns that a request carries: the features, and what else the policy decides by."""
    return tuple(dict.fromkeys((*columns.features, *(policy.columns if policy else ()))))


@dataclass(frozen=True)
class Deciding:
    """What a policy knows of a column that it decides by: its levels; none of a number that it
    cuts at edges."""

    levels: tuple[str, ...]
    is_cut: bool


def deciding_columns(policy: Policy | OutputPolicy) -> dict[str, Deciding]:
    """The columns that a policy decides by."""
    if policy.by_group is None:
        return {}
    split = [name.split(CROSS) for name in policy.by_group.groups]
    known = [parts for parts in split if len(parts) == len(policy.columns)]
    found = {}
    for place, name in enumerate(policy.columns):
        is_cut = name in policy.by_group.edges
        levels = sorted({parts[place] for parts in known} - {MISSING})
        found[name] = Deciding(() if is_cut else tuple(levels), is_cut)
    return found


def enforced_of(
    contract: dict[str, Any], columns: Columns, modality: str, policy: Policy | OutputPolicy
) -> Enforcement:
    """What of a contract is enforced on requests: of what they carry, and of its measures."""
    carried = requested(columns, policy)
    known = (*carried, *measures(columns, modality))
    return demanding(enforcement(contract, known), columns, carried)


def measures(columns: Columns, modality: str) -> tuple[str, ...]:
    """The columns that a contract may name beside those that are delivered."""
    types = {columns.image: pl.Binary(), columns.text: pl.String()}
    whole = {name: dtype for name, dtype in types.items() if name}
    if not whole:
        return ()
    empty = pl.DataFrame(schema=whole)
    found = part(modality, "data.contract_columns").of_rows(empty, columns).columns
    return tuple(name for name in found if name not in whole)
