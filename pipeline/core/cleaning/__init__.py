"""Cleaning rules, for tables and for single values of requests."""
