"""What your own code says comes next: no model, nothing downloaded, no index of the workspace.

lexemes     a line as a string of characters, one for each lexeme
code        texts as such strings: open documents, spliced as they change, and files
voting      the longest run of lexemes before the cursor that stands elsewhere, and how lines go on there
renaming    the same with names left out, and the names at hand put in
choosing    which of these is likeliest, and how likely that is
memory      all that one editor knows, and the way in: `Memory.guess`
habits      how lines end in a document, by how they begin
nearby      which files are read; in the background thread of `context`
"""
