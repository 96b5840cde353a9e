"""Model files: a GGUF is read and checked here, in Python, before native code sees it. No llama.cpp,
no numpy.
"""
