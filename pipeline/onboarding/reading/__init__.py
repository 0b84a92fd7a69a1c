"""Read a file that nobody has described yet."""
