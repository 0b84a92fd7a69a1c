"""What the generators of rows learn from codes."""

from typing import Any

import numpy as np
import pytest

from pipeline.tabular.balancing import gan, vae
from pipeline.tabular.settings import SyntheticSettings

SETTINGS = SyntheticSettings(num_epochs=12, batch_size=64, width=32, learning_rate=1e-2)


def table(num_rows: int = 1500) -> tuple[Any, Any]:
    """The second column says the same as the first; the third follows the condition."""
    rng = np.random.default_rng(0)
    first = rng.choice([2, 3, 4], num_rows, p=[0.6, 0.3, 0.1])
    condition = rng.integers(0, 2, num_rows)
    third = np.where(rng.random(num_rows) < 0.9, 2 + condition, 3 - condition)
    return np.stack([first, first, third], axis=1), condition[:, None]


def drawn(module: Any, settings: SyntheticSettings, seed: int = 0) -> Any:
    codes, conditions = table()
    generator = module.fit(codes, conditions, [5, 5, 6], [2], settings, seed)
    return generator, generator.draw(np.repeat([[0], [1]], 500, axis=0), 7)


@pytest.mark.parametrize(
    ("module", "settings", "least"),
    [
        (vae, SETTINGS, 0.95),
        (gan, SETTINGS.model_copy(update={"num_epochs": 40}), 0.8),
    ],
)
def test_it_learns_what_goes_together(module: Any, settings: Any, least: float) -> None:
    generator, rows = drawn(module, settings)
    assert (rows[:, 0] == rows[:, 1]).mean() > least  # drawn independently: 0.46
    assert (rows[:500, 2] == 2).mean() == pytest.approx(0.9, abs=0.12)
    assert (rows[500:, 2] == 3).mean() == pytest.approx(0.9, abs=0.12)
    assert (rows[:, 0] == 2).mean() == pytest.approx(0.6, abs=0.15)
    assert all(np.isfinite(value) for value in generator.facts.values())


@pytest.mark.parametrize("module", [vae, gan])
def test_codes_that_no_row_has_and_rare_ones_are_not_drawn(module: Any) -> None:
    few = SETTINGS.model_copy(update={"num_epochs": 1})
    _, rows = drawn(module, few)
    assert set(rows[:, 0]) <= {2, 3, 4}
    assert set(rows[:, 2]) <= {2, 3}
    codes, conditions = table()
    codes[:100, 2] = 1  # rare
    generator = module.fit(codes, conditions, [5, 5, 6], [2], few, 0)
    assert set(generator.draw(conditions, 0)[:, 2]) <= {2, 3}


@pytest.mark.parametrize("module", [vae, gan])
def test_the_same_seed_gives_the_same_rows(module: Any) -> None:
    few = SETTINGS.model_copy(update={"num_epochs": 1})
    first, again, other = (drawn(module, few, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_autoencoders_latent_vector_is_used() -> None:
    generator, _ = drawn(vae, SETTINGS)
    assert generator.facts["latent_nats"] > 1
