"""What the syntax of a document says: where its cursor stands, how much to ask for, and where that ends.

The way of the data, for whoever puts questions:

    language = language_of(document.language, path)     once for a document
    trees.edit(uri, start, end, text)                   at every change, in offsets of the text before it;
                                                        a whole new text need not be told
    tree = trees.of(uri, language, document.text)       when something is asked; None: rules over text
    tree.parse(budget_ms=1.0)                           False: what is there is stale, and good enough
    place = place_at(document.text, offset, language, tree)
    gate = gate_at(place, document.text, settings=..., invoked=...)
    wanted = amount_at(place, gate, configured=..., max_block_lines=...)
                                                        nothing: `wanted.gate` has code and sentence
    wanted = reconsidered(place, wanted, first_line)    when the first generated line is whole
    by_indentation(place, generated, suffix)            while a block comes: may it be cut, is that final
    scope_end(place, generated, suffix, tree)           when it is whole
    breaks(tree, offset, offset, text); rank(...)       several candidates, or a filter's last word

At rest, `tree.parse(5.0)` again from the event loop until it is True: a parse goes on where its budget ended.
Generated text has LF line ends, as the daemon's; text and offsets are the document's.

For the index, in a thread of its own: `outline_of_text`, `chunks_of_text`, which give way to other threads;
for open documents `outline_of_document`, and `identifiers_near` a cursor.

Everything is imported from its own module; nothing is imported here, so that nothing is loaded before it is
needed: tree-sitter with the first tree, a grammar with its first document.

    languages       ids and suffixes to grammars            rules, outline_rules   data per language
    trees, measure  incremental trees; bytes and points     lexing, lines          text only
    place           the cursor's surroundings               amount, gates          judgement
    scope_end       where a block ends, by its tree (by its text: stardraftd.lexing.blocks)
    check           what breaks a file
    outline, imports, chunks                                what is in a file
"""
