"""The training loop: batches, losses, steps, checkpoints, processes."""
