"""Words for the labels of the networks; light enough for any process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from provisioning.wording import say_many
from wording.messages import said


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
