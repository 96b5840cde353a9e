"""Source files as documents: found, cut into examples and lines. Shared by the commands and the
training program.
"""
