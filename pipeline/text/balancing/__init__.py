"""The text modality: rows and weights for training."""
