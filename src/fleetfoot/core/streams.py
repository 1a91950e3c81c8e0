"""The three standard streams: each is there, and libraries leave the one for errors alone.

A service may start a process with some of them closed. Python then has none, and the next file that
is opened gets its number: what a library written in C says to standard error would go into it.
"""

import logging
import os
import sys
import warnings

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed_streams() -> None:
    """Point each standard stream that is closed at nothing."""
    for number, (name, mode) in enumerate(STREAMS):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def hush_libraries() -> None:
    """Let no library warn on standard error; errors are told by ourselves, in one line."""
    warnings.showwarning = lambda *_, **__: None
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    os.environ.setdefault("OPENVINO_LOG_LEVEL", "0")
