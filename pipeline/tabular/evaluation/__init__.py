"""The tabular modality: baseline, slices, explanation."""
