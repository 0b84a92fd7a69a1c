"""The image modality: baseline, slices, explanation."""
