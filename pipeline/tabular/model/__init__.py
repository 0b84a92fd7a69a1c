"""The tabular modality: encoder, networks, augmentation."""
