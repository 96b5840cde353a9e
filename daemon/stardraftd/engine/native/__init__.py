"""llama.cpp: a thin typed layer over its C functions, the devices, and loading a model. No policy."""
