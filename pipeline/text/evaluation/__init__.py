"""The text modality: baseline, slices, explanation."""
