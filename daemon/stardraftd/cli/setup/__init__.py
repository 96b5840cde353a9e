"""`stardraft setup ...` and `stardraft uninstall`."""
