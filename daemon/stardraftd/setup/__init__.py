"""Setting up: files of editors and of the service manager, changed with the user's knowledge, and put back.

changes.py is one change to one file; record.py what was changed, and taking it back; editors/ what each
editor needs; shipped.py the files for them. What a user is asked and told is in stardraftd/cli.
"""
