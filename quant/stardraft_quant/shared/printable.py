"""Foreign text, such as a file's name, in the tables and pictures of several commands."""


def printable(text: str) -> str:
    """Names come from files: what would move the cursor or hide something is written out."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def in_a_picture(text: str) -> str:
    """`printable`, for matplotlib: a dollar sign would begin a formula there."""
    return printable(text).replace("$", r"\$")
