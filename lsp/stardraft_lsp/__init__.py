"""stardraft's language server: decides what is relevant around a cursor, when to ask, and what to show.

It knows documents, editors and text, and nothing of tokens; it imports neither llama.cpp nor numpy.
"""
