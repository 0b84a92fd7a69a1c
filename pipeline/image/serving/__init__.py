"""The image modality: requests."""
