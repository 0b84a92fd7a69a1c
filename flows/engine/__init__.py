"""The engine: builds a project without Prefect."""
