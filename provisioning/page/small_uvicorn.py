"""uvicorn's server without its command line.

uvicorn's package imports its command line, and with it click and multiprocessing: 1.6 MB of which the page, which
must stay small, uses nothing. A stand-in holds that place while the server is imported; afterwards whoever asks
for the command line gets it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_COMMAND_LINE = "uvicorn.main"
_STOOD_IN = ("Server", "main", "run")
_stands_in = "uvicorn" not in sys.modules
if _stands_in:
    _stand_in = ModuleType(_COMMAND_LINE)
    vars(_stand_in).update(dict.fromkeys(_STOOD_IN))
    sys.modules[_COMMAND_LINE] = _stand_in

import uvicorn  # noqa: E402 - after the stand-in
from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402
from uvicorn.server import Server  # noqa: E402


def _of_the_command_line(name: str) -> Any:
    if name not in _STOOD_IN:
        raise AttributeError(name)
    return getattr(importlib.import_module(_COMMAND_LINE), name)


if _stands_in:
    del sys.modules[_COMMAND_LINE]
    for _name in _STOOD_IN:
        delattr(uvicorn, _name)
    vars(uvicorn)["__getattr__"] = _of_the_command_line

__all__ = ["Config", "H11Protocol", "Server"]
