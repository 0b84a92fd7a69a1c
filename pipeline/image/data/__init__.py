"""The image modality: deliveries, cleaning, contract."""
