"""`project.yaml` as a whole: checked, changed, documented."""
