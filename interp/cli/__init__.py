"""The command line: parse, call one function, print. Nothing heavy is imported before a command runs."""

import signal
import threading

_before = None
if threading.current_thread() is threading.main_thread():
    _before = signal.getsignal(signal.SIGINT)
    if (
        _before is signal.default_int_handler
    ):  # Ctrl-C while this is imported ends the process, without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)

from interp.cli.application import app, main  # noqa: E402

if _before is signal.default_int_handler:
    signal.signal(signal.SIGINT, _before)

__all__ = ["app", "main"]
