"""What time and energy cost, and how a training's cost is recorded."""
