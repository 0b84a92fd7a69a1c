"""The image modality: encoder, networks, augmentation."""
