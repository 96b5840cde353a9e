"""What no model may be shown, whoever asks: files and texts that hold secrets. Nothing is read here.

    names      secrets by a file's name and folders
    uris       the path in an editor's address of a document, of any scheme
    content    secrets by what stands in a text: keys, tokens of services, values under telling names
    services   the tokens of some two hundred services (rules of gitleaks)
    assigned   passwords and keys that are given to something by name
    guard      whether a request may be answered: asked by the daemon for every front end

The language server asks the same modules before it chooses what to send; the daemon asks them again.
"""
