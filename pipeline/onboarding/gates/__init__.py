"""Propose the rules of a gate."""
