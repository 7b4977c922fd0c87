"""The C library's memory: what was freed is given back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Give what was freed back to the system, where the C library can do that (glibc).

    Opening a network parses its file and rearranges its weights; what that took stays with the process
    otherwise, though nothing as large is asked for again.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    trim(0)
