"""What may stand in a file of another program's: words without anything that ends a line or a string there.

Each kind of file has its own quoting (systemd.py, launchd.py, editors/editor.py); none of them can carry a
control character in all of its readers, and a line end in a path would be a line of its own to some.
"""

from stardraftd.console.printable import visible_line
from stardraftd.errors import PathError


def plain(text: str, what: str) -> str:
    """`text` as it is. Raises PathError if it has control characters, or bytes that are no UTF-8.

    what: whose value it is, as the beginning of a sentence.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refusal(text, what, "bytes that are not UTF-8") from error
    if any(char < " " or "\x7f" <= char < "\xa0" or char in "\u2028\u2029" for char in text):
        raise _refusal(text, what, "a control character")
    return text


def _refusal(text: str, what: str, which: str) -> PathError:
    return PathError(
        f'{what} is "{visible_line(text)}", which has {which} in it: that cannot be written into a file of '
        "settings.",
        "Choose another folder, or rename it.",
    )
