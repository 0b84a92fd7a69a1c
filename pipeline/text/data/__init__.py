"""The text modality: deliveries, cleaning, contract."""
