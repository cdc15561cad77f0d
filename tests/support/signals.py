"""Default signal dispositions for the programs that tests start."""

import signal
import threading


def restore_default_signals() -> None:
    """Let child processes start with default signal dispositions, under nohup and as a background job too.

    A child process inherits which signals are ignored. A handler is not inherited: the child starts with the default.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
