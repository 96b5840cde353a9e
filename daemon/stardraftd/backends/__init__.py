"""What runs a model for the daemon: the process with llama.cpp, and who keeps it alive."""
