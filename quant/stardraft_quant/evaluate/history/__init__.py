"""Suggestions at the places where commits added lines, asked of a real language server.

git      reads a repository, and makes a checkout of it that is thrown away
places   cursors in lines that commits added, and in finished ones, where nothing should be shown
asking   a language server on the commit before, an editor that types, and what it is shown
figures  what many answers come to
report   for a user to read, and for a machine
ratchet  a file of figures that must not fall
command  `stardraft eval history`
"""
