"""What source code says without a grammar: for the engine, which has none, and for the language server.

    names      language ids and file suffixes to the names used here
    rules, lexis, lexis_more    how each language writes comments, strings, interpolation and brackets: data
    words      with which words and signs each language opens and ends blocks: data
    scanner    reads a text by a lexis: what is code, what is open at any place
    reading    a text that grows, read once
    patterns, signs    parts of the scanner
    lines      one line: its code, what it opens
    columns    white space as columns, tabs included
    blocks     where a block ends: the only ruler of that

All of it is linear in the text, and nothing recurs: 100,000 nested brackets are a list of 100,000.
Not here: syntax trees (the language server's `syntax`), and what is done about an end.
"""
