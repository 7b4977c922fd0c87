"""What the street's problems and things are called by people."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from provisioning.wording import in_words, say_many
from wording.messages import said

_KINDS: dict[str, Callable[[int], str]] = {
    "street_vending": lambda n: say_many("street vending", "street vending", n),
    "misparked_bike": lambda n: say_many("misparked bike", "misparked bikes", n),
    "overflowing_bin": lambda n: say_many("overflowing bin", "overflowing bins", n),
}


class LabelWords(NamedTuple):
    """What people read for one label of :data:`agent.domain.labels.LABELS`."""

    counted: Callable[[int], str]
    """A number of them: ``1 bike``, ``3 bikes``."""
    all_of_them: str
    """As the name of a row that counts them: ``bikes``."""


LABEL_WORDS: dict[str, LabelWords] = {
    "person": LabelWords(
        lambda n: say_many("{count} person", "{count} persons", n), said("persons")
    ),
    "bicycle": LabelWords(lambda n: say_many("{count} bike", "{count} bikes", n), said("bikes")),
    "motorcycle": LabelWords(
        lambda n: say_many("{count} e-bike or motorcycle", "{count} e-bikes or motorcycles", n),
        said("e-bikes and motorcycles"),
    ),
    "car": LabelWords(lambda n: say_many("{count} car", "{count} cars", n), said("cars")),
    "bus": LabelWords(lambda n: say_many("{count} bus", "{count} buses", n), said("buses")),
    "truck": LabelWords(lambda n: say_many("{count} truck", "{count} trucks", n), said("trucks")),
    "umbrella": LabelWords(
        lambda n: say_many("{count} umbrella", "{count} umbrellas", n), said("umbrellas")
    ),
    "stall": LabelWords(lambda n: say_many("{count} stall", "{count} stalls", n), said("stalls")),
    "bin": LabelWords(lambda n: say_many("{count} bin", "{count} bins", n), said("bins")),
    "rubbish": LabelWords(
        lambda n: say_many("{count} heap of rubbish", "{count} heaps of rubbish", n),
        said("rubbish"),
    ),
}
"""One row a label."""

REASONS = {
    "good": said("good"),
    "view_dark": said("dark"),
    "view_over_exposed": said("over-exposed"),
    "view_blocked": said("blocked or dirty"),
    "view_moved": said("moved"),
    "view_out_of_focus": said("out of focus"),
    "view_frozen": said("frozen"),
    "camera_lost": said("no frames from the camera"),
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
    words = LABEL_WORDS.get(label)
    return words.counted(count) if words else f"{count} {label}".strip()


def things_in_words(label: str) -> str:
    """All things of one label: ``bikes``."""
    words = LABEL_WORDS.get(label)
    return in_words(words.all_of_them if words else label)
