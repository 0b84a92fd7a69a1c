"""The stage `audit`."""
