"""Rows and columns of a table: labels, groups, weights, profiles."""
