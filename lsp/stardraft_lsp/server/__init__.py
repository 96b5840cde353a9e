"""The language server: its process, its handlers, and the session with one editor.

Nothing is imported here: `program` sets up what may be imported before anything of the server is.
"""
