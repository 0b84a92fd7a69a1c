"""The tabular modality: rows of named columns."""
