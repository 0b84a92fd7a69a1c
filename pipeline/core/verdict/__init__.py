"""The rules of a gate and how they are decided."""
