"""Model files: made, measured and trained here. Needs the extra `quant`."""
