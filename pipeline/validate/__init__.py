"""The stage `validate`."""
