"""How a run's record tells of a training's cost, for those who read it without torch."""

RECORD = "training"
"""Under this key the record has it."""
FIGURES = {
    "time_s": ("time", "s"),
    "energy_kwh": ("energy", "kWh"),
    "money": ("money", None),
    "memory_gb": ("memory", "GB"),
}
"""The figures of a forecast and of what it was, each with its name and unit; money's is a
currency."""
