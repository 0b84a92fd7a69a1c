"""What developers run: `make deps`, `make docs`, `make store`."""
