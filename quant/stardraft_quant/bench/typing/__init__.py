"""`stardraft bench typing`: one editor's life replayed on two sides, and what each needed for it."""
