"""The path in a document's address, whatever the editor calls its scheme.

A notebook's cell, an unsaved copy, a file on another machine and one side of a comparison are named by
addresses that are not `file:`, and hold the text of a file all the same. What has a path in it is judged by
that path.

    vscode-notebook-cell:/home/me/shop/a.ipynb#W0sZmlsZQ     /home/me/shop/a.ipynb
    vscode-remote://ssh-remote%2Bbox/home/me/shop/.env       /home/me/shop/.env
    git:/home/me/shop/.env?%7B%22ref%22%3A%22~%22%7D         /home/me/shop/.env
    fugitive:///home/me/shop/.git//0/src/a.py                /home/me/shop/src/a.py
    untitled:.env                                            .env
"""

from urllib.parse import unquote

from stardraftd.patterns import linear

# Two letters and more: one is a drive of Windows.
_SCHEME = linear(r"[A-Za-z][A-Za-z0-9+.-]+:", is_ascii=True)
_DRIVE = linear(r"/[A-Za-z]:(?:/|$)", is_ascii=True)
# A version of a file inside a repository's store, as Git programs of editors name it.
_IN_STORE = linear(r"/\.git(?:/modules/[^\n]*?)?//[^/]*/", is_ascii=True)
_MAX_CHARACTERS = 8_192


def path_in(address: str) -> str:
    """The path in an address, with "/"; "" when there is none. A plain path is taken as it is."""
    address = address[:_MAX_CHARACTERS]
    scheme = _SCHEME.match(address)
    if scheme is None:
        return address.replace("\\", "/")
    rest = address[scheme.end() :]
    inner = _SCHEME.match(rest)
    if inner is not None and not rest.startswith("//"):  # jar:file:///a.jar!/b, view-source:file:///a
        return path_in(rest)
    # Cut before it is decoded: an encoded "?" or "#" belongs to a name.
    for mark in ("#", "?"):
        rest = rest.partition(mark)[0]
    if rest.startswith("//"):
        _host, slash, path = rest[2:].partition("/")
        rest = slash + path
    path = unquote(rest).replace("\\", "/").replace("::", "/")  # a file in an archive: a.zip::b
    if _DRIVE.match(path):
        path = path[1:]
    return _IN_STORE.sub("/", path)


def paths_in(address: str) -> tuple[str, ...]:
    """All the paths in an address: its own, and those that its query or fragment names (comparisons)."""
    found = [path_in(address)]
    _, mark, query = address[:_MAX_CHARACTERS].partition("?")
    if mark and _SCHEME.match(address):
        for word in unquote(query).replace("\\/", "/").replace('"', "&").split("&"):
            value = word.rpartition("=")[2]
            if "/" in value or "\\" in value:
                found.append(path_in(value))
    return tuple(path for path in dict.fromkeys(found) if path)
