"""llama.cpp's builds as seen from outside: which is used, why it does not load, what a child's end
means. No llama.cpp.
"""
