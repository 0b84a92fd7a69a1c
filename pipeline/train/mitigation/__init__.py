"""Learners that mitigate gaps between groups while they train."""
