"""The tabular modality: rows and weights for training."""
