"""The service: what a bento runs to answer requests."""
