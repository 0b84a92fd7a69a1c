"""MLflow: its store, its address, and what is logged."""
