"""Propose what each column is for."""
