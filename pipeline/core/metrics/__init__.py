"""Metrics of predictions, by task, group and slice."""
