"""The data contract's file, and its expectations in words."""
