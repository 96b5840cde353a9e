"""`stardraft model ...`."""
