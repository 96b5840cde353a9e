"""What the commands print: terminals, words, errors, progress."""
