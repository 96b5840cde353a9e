"""The editor's text kept equal: documents, positions in three encodings, folders."""
