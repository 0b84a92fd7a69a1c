"""The stage `clean`."""
