"""What is sent to the model, all of it decided here: the window around the cursor, and chunks of other files.

    window     the text around the cursor
    source     the room's one way in for other files: `ContextSource`
    gathering  what the thread behind it does; `known` is what both sides know
    finding    what could be sent: similar chunks, definitions, recent regions
    placing    what of it is sent, and where, so that the engine's cache stays useful
    index, words, chunking, ranking     which chunks are like which
    definitions, recent                 what names stand for; where the user was lately
    scan, watching, reading             the disk, in bounds of time and memory
    allowed, ignore, kinds     what may be read at all (and stardraftd.privacy: secrets)
    settings   the bounds
    telling    what the index says of itself, to programs and people

The way of the data: the session tells a `ContextSource` what the editor opens, changes, looks at and closes,
and when a cursor rests it says where (`prepare`). In the background, candidates are found there, and placed.
When a prompt is made, `chunks_for` gives what is ready, and nothing is waited for:

    source = ContextSource(roots, on_prepared=...)      # once; paths of the editor's folders
    source.start()
    source.document_opened(uri, text)
    source.document_changed(uri, text, Edit(line, n_old, n_new))
    source.prepare(QuestionPlace(uri, window.prefix, window.suffix))    # at a rest
    if not source.why_not(uri):
        CompletionRequest(..., chunks=source.chunks_for(uri))
"""
