"""A trained model, its decision policy, and what it predicts."""
