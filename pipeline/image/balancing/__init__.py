"""The image modality: rows and weights for training."""
