"""What time and energy cost in money: the section `prices` of params.yaml.

Prices decide what a budget in money can pay, and nothing that a stage writes, so no stage declares
them (docs/decisions/0031-what-a-training-may-cost.md).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.core.settings.sections import section
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.settings.yaml_files import read_yaml

PARAMS = Path("params.yaml")


class Prices(Frozen):
    """What an hour of a device costs, and a kilowatt-hour; `prices` in params.yaml."""

    currency: str
    """The money's name, for instance EUR."""
    per_hour: Mapping[str, Annotated[float, Field(ge=0)]]
    """By device, as torch names it; `cpu` and `gpu` stand for every other one."""
    per_kwh: float = Field(0.0, ge=0)
    """What a kilowatt-hour costs beside the hour; 0 where the hour's price has it in it."""
    country: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    """Where the electricity comes from, by its ISO code of three letters: adds the carbon dioxide
    to what `hallmark cost --all` shows, by the table of codecarbon."""

    def of(self, device: str, wall_s: float, energy_kwh: float | None = None) -> float | None:
        """The price of so many seconds and of their energy; None when the device has none."""
        price = self.per_hour.get(device)
        if price is None and device != "cpu":
            price = self.per_hour.get("gpu")
        if price is None:
            return None
        return price * wall_s / 3600 + self.per_kwh * (energy_kwh or 0.0)


def load_prices(root: Path) -> Prices | None:
    """The prices of params.yaml; None when it has none.

    Raises:
        ProjectError: an unknown key, or a value of a wrong type.
    """
    content = read_yaml(root, PARAMS)
    if "prices" not in content:
        return None
    return section(PARAMS, content, "prices", Prices, modality="")  # prices hold for every kind
