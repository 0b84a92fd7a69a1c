"""What a project sets: typed sections, their errors, and the modality that a project names."""
