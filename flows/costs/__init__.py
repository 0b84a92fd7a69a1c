"""What builds cost."""
