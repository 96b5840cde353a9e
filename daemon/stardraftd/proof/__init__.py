"""Whether this build of llama.cpp computes on this processor what it should: the remembered verdict,
and how it is found.
"""
