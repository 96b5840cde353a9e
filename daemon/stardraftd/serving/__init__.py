"""The daemon: its process, what it serves, what runs next, and what is done in advance."""
