"""What a training may cost: forecast, budget, and the end at its limit."""
