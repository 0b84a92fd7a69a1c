"""The image modality: one picture and its label."""
