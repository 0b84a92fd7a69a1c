"""How a stage is run: its record, what it uses, its progress, its failures."""
