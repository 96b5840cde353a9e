"""The signals that a process of ours begins with, whoever started it.

What a parent ignores, its children ignore: a shell's `&` does that to SIGINT, `nohup` to SIGHUP, some
supervisors to SIGCHLD, with which no child's exit status is known any more. What a parent's thread blocks
is blocked, and a blocked SIGTERM ends nothing. A daemon that a front end started, and an engine that the
daemon started, are not what the user at that shell meant by it.
"""

import signal
from collections.abc import Container

_INHERITED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGUSR2")


def begin_with_plain_signals(*, keep: Container[str] = ()) -> None:
    """No signal is blocked, and none ignored but those to `keep` and those that Python itself ignores.

    For the main thread of a process, before it starts another one. Does nothing on Windows.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    for name in _INHERITED:
        number = getattr(signal, name)
        if name not in keep and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
