"""The stage `assess`."""
