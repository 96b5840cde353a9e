"""How suggestions fare: counted on this computer, for `stardraft stats`, and sent nowhere.

The way of the data:

    session, server ─► recorder ─► writer (a thread) ─► store: stats.sqlite ─► summary ─► cli, chart, page
                          └─ suggestion, kept: what becomes of a suggestion, and of an accepted text

The session makes one `Recorder` and calls it from the event loop's thread, where each call costs some
microseconds and none raises; the file is touched by the writer's thread alone:

    recorder = Recorder(stats_path(), editor="Neovim", text_of=..., later=loop.call_later, tell=board.tell)
    recorder.figures(id, done.figures)                       the daemon answered
    recorder.shown(id, uri=..., language=..., text=..., offset=...)     the editor got a suggestion
    recorder.silent(reason, language)                        it got none
    recorder.edited(uri, Edit(start, end, text))             for each change, after the document has it
    recorder.accepted(id), .partially_accepted(id, n), .rejected(id)    where the editor says so
    recorder.closed(uri), recorder.close()

No source text, no path and no address is stored: a language, an editor's name, a document's salted hash.
Not here: when to ask and what to show (`session`), and what messages editors send (`dialects`).

Everything is imported from its own module: `stardraft --help` imports this package, and shows `cli` alone.
"""
