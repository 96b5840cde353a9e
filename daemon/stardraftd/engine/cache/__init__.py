"""The KV cache: which tokens stand in which sequence, what was generated, and sequences on disk."""
