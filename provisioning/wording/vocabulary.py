"""What the street's problems and things are called by people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provisioning.wording import in_words, say_many
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: dict[str, Callable[[int], str]] = {
    "street_vending": lambda n: say_many("street vending", "street vending", n),
    "misparked_bike": lambda n: say_many("misparked bike", "misparked bikes", n),
    "overflowing_bin": lambda n: say_many("overflowing bin", "overflowing bins", n),
}

_COUNTED: dict[str, Callable[[int], str]] = {
    "bicycle": lambda n: say_many("{count} bike", "{count} bikes", n),
    "motorcycle": lambda n: say_many(
        "{count} e-bike or motorcycle", "{count} e-bikes or motorcycles", n
    ),
    "stall": lambda n: say_many("{count} stall", "{count} stalls", n),
    "bin": lambda n: say_many("{count} bin", "{count} bins", n),
    "person": lambda n: say_many("{count} person", "{count} persons", n),
    "umbrella": lambda n: say_many("{count} umbrella", "{count} umbrellas", n),
    "car": lambda n: say_many("{count} car", "{count} cars", n),
    "bus": lambda n: say_many("{count} bus", "{count} buses", n),
    "truck": lambda n: say_many("{count} truck", "{count} trucks", n),
    "rubbish": lambda n: say_many("{count} heap of rubbish", "{count} heaps of rubbish", n),
}

_THINGS = {
    "bicycle": said("bikes"),
    "motorcycle": said("e-bikes and motorcycles"),
    "stall": said("stalls"),
    "bin": said("bins"),
    "person": said("persons"),
    "umbrella": said("umbrellas"),
    "car": said("cars"),
    "bus": said("buses"),
    "truck": said("trucks"),
    "rubbish": said("rubbish"),
}

REASONS = {
    "good": said("good"),
    "view_dark": said("dark"),
    "view_over_exposed": said("over-exposed"),
    "view_blocked": said("blocked or fouled"),
    "view_moved": said("moved"),
    "view_out_of_focus": said("out of focus"),
    "view_frozen": said("frozen"),
    "camera_lost": said("no frames come"),
    "camera_hangs": said("the camera hangs"),
}
"""What may be the matter with a view; every :data:`agent.protocol.base.Blindness` and ``good``."""


def reason_in_words(reason: str) -> str:
    """Why a zone cannot be seen, in the reader's language."""
    return in_words(REASONS.get(reason, reason))


def kind_in_words(kind: str, count: int = 1) -> str:
    """A case's kind for people; a kind without words is shown as it is on the wire."""
    words = _KINDS.get(kind)
    return words(count) if words else kind.replace("_", " ")


def label_in_words(label: str, count: int) -> str:
    """A number of things of one label: ``1 bike``, ``3 bikes``."""
    words = _COUNTED.get(label)
    return words(count) if words else f"{count} {label}".strip()


def things_in_words(label: str) -> str:
    """All things of one label: ``bikes``."""
    return in_words(_THINGS.get(label, label))
