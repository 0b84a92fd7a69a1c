"""What is done to the inputs of a training batch: of a table's rows, nothing."""

from typing import Any

from pipeline.tabular.settings import AugmentationSettings


def augmenter(settings: AugmentationSettings, encoder: Any) -> None:
    """None: rows are learned from as they are."""
