"""Small files of our own: written whole or not at all, in folders that nobody else controls."""
