"""The text modality: requests."""
