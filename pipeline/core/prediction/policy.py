"""From a logit to a decision: the calibrated probability, and one threshold or those of a group.

A group's thresholds decide partly by chance. The chance of a row is a hash of what the encoder made
of it: the same row is decided alike everywhere and always, in a stage as in the service
(docs/decisions/0018-decisions-by-group.md).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """Two thresholds, of which now one decides and now the other; or neither.

    Source: M. Hardt, E. Price, N. Srebro, Equality of opportunity in supervised learning, NeurIPS
    2016. The names are those of Fairlearn's `InterpolatedThresholder`.

    Attributes:
        p0, p1: How often each threshold decides; they add up to 1.
        threshold0, threshold1: Probabilities above it are decided as positive.
        p_ignore: How often neither threshold decides.
        prediction_constant: How often the decision is positive then.
    """

    p0: float
    threshold0: float
    p1: float
    threshold1: float
    p_ignore: float = 0.0
    prediction_constant: float = 0.0

    def chance(self, probability: Floats) -> Floats:
        """How likely a positive decision is, shape (rows,)."""
        decided = self.p0 * (probability > self.threshold0) + self.p1 * (
            probability > self.threshold1
        )
        ignored = self.p_ignore * self.prediction_constant
        return np.asarray(ignored + (1 - self.p_ignore) * decided, dtype=float)


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds for each group of people.

    Attributes:
        columns: The sensitive columns whose crossed values name a group.
        edges: Where numbers among them are cut, by column.
        salt: Keys the hash of a row; see `draws`.
        groups: By group; one that is not there is decided by the threshold for everybody.
    """

    columns: tuple[str, ...]
    edges: Mapping[str, tuple[float, ...]]
    salt: str
    groups: Mapping[str, Mixture]

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> "GroupThresholds":
        return GroupThresholds(
            columns=tuple(state["columns"]),
            edges={name: tuple(edges) for name, edges in state["edges"].items()},
            salt=state["salt"],
            groups={name: Mixture(**one) for name, one in state["groups"].items()},
        )


@dataclass(frozen=True)
class Policy:
    """Attributes:
    temperature: Divides the logit; above 1 it makes probabilities less extreme.
    threshold: The least probability that is decided as positive.
    by_group: Thresholds that go before it, for rows of the groups that have some.
    """

    temperature: float
    threshold: float
    by_group: GroupThresholds | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The sensitive columns without which it cannot decide; mostly none."""
        return self.by_group.columns if self.by_group else ()

    def probability(self, logits: Floats) -> Floats:
        """Calibrated probabilities of the positive class, shape (rows,)."""
        scaled = np.asarray(logits, dtype=float) / self.temperature
        small = np.exp(-np.abs(scaled))  # the logistic function: never overflows, exact near 0
        return np.asarray(np.where(scaled >= 0, 1.0, small) / (1 + small))

    def chance(self, probability: Floats, groups: Sequence[str] | None = None) -> Floats:
        """How likely a positive decision is, shape (rows,): 0 or 1, but near a group's thresholds.

        Args:
            probability: Shape (rows,).
            groups: Each row's group by `columns`; needed where there are some.
        """
        found = np.asarray(probability >= self.threshold, dtype=float)
        if self.by_group is None:
            return found
        names = np.asarray(_given(groups, self.columns), dtype=object)
        for name, mixture in self.by_group.groups.items():
            members = names == name
            found[members] = mixture.chance(probability[members])
        return found

    def decide(
        self,
        probability: Floats,
        groups: Sequence[str] | None = None,
        drawn: Floats | None = None,
    ) -> NDArray[np.bool_]:
        """The decisions, shape (rows,).

        Args:
            probability: Shape (rows,).
            groups: Each row's group by `columns`; needed where there are some.
            drawn: Each row's number from `draws`; needed then as well.
        """
        if self.by_group is None:
            return np.asarray(probability >= self.threshold)
        return np.asarray(_given(drawn, self.columns) < self.chance(probability, groups))

    def as_dict(self) -> dict[str, Any]:
        found = {"temperature": self.temperature, "threshold": self.threshold}
        return {**found, **({"by_group": asdict(self.by_group)} if self.by_group else {})}

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> "Policy":
        by_group = state.get("by_group")
        return Policy(
            temperature=state["temperature"],
            threshold=state["threshold"],
            by_group=GroupThresholds.from_dict(by_group) if by_group else None,
        )


def _given(values: Any, columns: Sequence[str]) -> Any:
    """What must be given where decisions are by group: none is decided as if there were none."""
    if values is None:
        raise ValueError(f"expected groups by {', '.join(columns)} and drawn numbers, got none")
    return values


def draws(encoded: Sequence[NDArray[Any]], salt: str) -> Floats:
    """A number from 0 to below 1 for each row, evenly spread over different rows, shape (rows,).

    It is a hash (BLAKE2b with a key, RFC 7693) of the bytes of what the encoder made of the row, so
    that the same row has the same number in every batch, process and machine.

    Args:
        encoded: From the encoder, each of shape (rows, …).
        salt: Another salt gives other numbers.
    """
    key = hashlib.sha256(salt.encode()).digest()
    parts = [_row_bytes(values) for values in encoded]
    hashes = [
        hashlib.blake2b(b"".join(pieces), digest_size=8, key=key).digest()
        for pieces in zip(*parts, strict=True)
    ]
    numbers = np.frombuffer(b"".join(hashes), dtype="<u8")
    return np.asarray((numbers >> np.uint64(11)) * 2.0**-53)


def _row_bytes(values: NDArray[Any]) -> list[bytes]:
    """Each row's values in their own type, the least significant byte first; -0 is 0."""
    rows = values + values.dtype.type(0)
    return [row.tobytes() for row in rows.astype(rows.dtype.newbyteorder("<"), copy=False)]
