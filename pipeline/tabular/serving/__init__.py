"""The tabular modality: requests."""
