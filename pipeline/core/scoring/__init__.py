"""How a model is scored: by task, against changed cases, and as a service answers."""
