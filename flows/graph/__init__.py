"""The graph as DVC has it: which stages must run, and why."""
