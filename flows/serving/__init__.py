"""Serve the live version on one address."""
