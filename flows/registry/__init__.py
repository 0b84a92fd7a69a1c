"""What becomes of a build: logged, registered, promoted, rolled back."""
