"""Whole models through several stages."""
