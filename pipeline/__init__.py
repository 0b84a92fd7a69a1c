"""The stages: one module each in this folder; what they share stands in the folders below."""
