"""What may be read: ignore rules, secrets, kinds of files, and the disk itself."""
