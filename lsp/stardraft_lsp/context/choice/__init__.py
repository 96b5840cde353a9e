"""Which chunks go into a prompt, and in which order they stand."""
