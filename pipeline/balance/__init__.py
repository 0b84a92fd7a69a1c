"""The stage `balance`."""
