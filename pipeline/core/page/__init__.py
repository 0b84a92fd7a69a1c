"""What pages are made of: plots, style, numbers and words."""
