"""Rows and columns of a table: labels, groups, profiles, keyed hashes."""
