"""From a file to a new project, and from a delivery to new raw data."""
