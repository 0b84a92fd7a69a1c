"""Confidence intervals, bounds of a largest gap, paired differences."""
