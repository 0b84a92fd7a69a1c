"""Prefect's server: its settings and secret, whom it answers, and one for a single run."""
