"""Logits to text: decoding, speculation, and where a completion ends."""
