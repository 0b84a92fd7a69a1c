"""The stage `package`."""
