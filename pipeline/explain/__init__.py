"""The stage `explain`."""
