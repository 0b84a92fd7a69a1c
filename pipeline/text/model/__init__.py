"""The text modality: encoder, networks, augmentation."""
