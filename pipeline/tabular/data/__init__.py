"""The tabular modality: deliveries, cleaning, contract."""
