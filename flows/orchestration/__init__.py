"""Prefect: the flow around the engine, its deployments and pages."""
