"""`stardraft complete`: one completion at a place in a file."""
