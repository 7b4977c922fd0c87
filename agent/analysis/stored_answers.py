"""What classifiers said then, for who judges stored tracks again: no picture is there to ask them about. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.perception.standing_things import is_same_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.analysis.track_records import TrackMoment
    from agent.domain.scene import Box, Zone

HOLDS_S = 120.0
"""What the verifier said of a thing holds for what stands in its place for so long."""
MOST_UNKNOWN = 1000
"""Places at which nobody knows what it would have said; more are not told apart."""


class StoredAnswers:
    """The answers of one camera.

    Args:
        verified: Whether there was a verifier that could be asked.
    """

    def __init__(self, *, verified: bool) -> None:
        self._verified = verified
        self._said: dict[tuple[str, str, str], float] = {}
        self._candidates: list[tuple[float, Box, Mapping[str, float]]] = []
        self._unknown: list[Box] = []

    def at(self, moment: TrackMoment, shapes: Mapping[str, str]) -> AnswersNow:
        """The answers at one moment.

        Args:
            moment: Now; not before the one before.
            shapes: Zone → its shape.
        """
        now_s = moment.now_s
        for classifier, meaning, shape, probability in moment.probabilities:
            self._said[classifier, meaning, shape] = probability
        self._candidates = [each for each in self._candidates if 0 <= now_s - each[0] <= HOLDS_S]
        self._candidates += [
            (now_s, box, said) for box, said in moment.candidates if said is not None
        ]
        return AnswersNow(self, moment, shapes)

    def of_zone(self, classifier: str, meaning: str, shape: str) -> float | None:
        """What a classifier said last of a zone of this shape; None: it never said anything."""
        return self._said.get((classifier, meaning, shape))

    def of_candidate(self, box: Box, moment: TrackMoment) -> Mapping[str, float] | None:
        """What the verifier said of what stands here; None: nothing that is known."""
        for asked, said in moment.candidates:
            if is_same_place(asked, box):
                return said
        for _, asked, said in reversed(self._candidates):
            if is_same_place(asked, box):
                return said
        if self._verified and len(self._unknown) < MOST_UNKNOWN and not self.unknown(box):
            self._unknown.append(box)
        return None

    def unknown(self, box: Box) -> bool:
        """Whether the verifier would have been asked of what stands here, and was not then."""
        return any(is_same_place(each, box) for each in self._unknown)


class AnswersNow:
    """What classifiers said at one moment (:class:`agent.scenarios.Scores`)."""

    def __init__(
        self, answers: StoredAnswers, moment: TrackMoment, shapes: Mapping[str, str]
    ) -> None:
        self._answers, self._moment, self._shapes = answers, moment, shapes
        self.unanswered: list[str] = []
        """Zones of which nothing is known: they count as in order."""

    def probability(self, classifier: str, meaning: str, zone: Zone) -> float:
        """What was said of a zone of this shape last; 0 where nothing was."""
        said = self._answers.of_zone(classifier, meaning, self._shapes[zone.zone_id])
        if said is None:
            self.unanswered.append(zone.zone_id)
            return 0.0
        return said

    def candidate(self, box: Box) -> Mapping[str, float] | None:
        """What was said of what stands at this place; None where nothing was."""
        return self._answers.of_candidate(box, self._moment)
