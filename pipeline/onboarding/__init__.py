"""What `hallmark init` and `hallmark contract` run."""
