"""stardraft's daemon: one warm model for every editor of one person.

The rooms, from the outside in: `cli` (what a user types), `client` (how a front end reaches the
daemon), `server` (the daemon's doors), `scheduler` (what runs next), `supervisor` (the engine
process's life), `engine` (the only place that knows llama.cpp).
"""

__version__ = "0.1.0"
