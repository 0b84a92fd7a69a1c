"""A packaged model's folder, and the processes that serve it."""
