"""The text modality: one text and its label."""
