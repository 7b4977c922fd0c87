"""The verifier: asked what a candidate is, and done without where it cannot say.

The device judges without it as before it had one. So nothing that is wrong with it may cost a frame, a
camera or the start: a model that is missing or refused is said once, and so is a run that fails.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, Protocol

from agent import inference
from agent.domain.labels import ASKED_OF
from agent.perception.candidate_crop import candidate_crop
from agent.scenarios import VERIFIER
from wording.harmless import harmless
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.domain.scene import Box
    from drivers.cameras import Frame, Picture

RUNS_PER_S = 0.5
"""Of all cameras together, on average. A run costs several of the detector's."""
BURST = 10
"""Runs that one camera may ask for at once: a market that opens."""
LONGEST = 300
"""Of a reason in the log, in characters."""
REST_S = 600.0
"""After a run that failed it is not asked for so long."""

_log = logging.getLogger(__name__)


class Classifier(Protocol):
    """What is needed of the model."""

    def probabilities(self, bgr: Picture) -> dict[str, float]:
        """The probability, 0 to 1, of each kind of candidate for a crop."""


class VerifierModel:
    """The verifier of a device, or the reason why there is none. For one thread; read from any.

    Args:
        classifier: None: there is none.
        because: Why there is none, for people; None where it is turned off.
    """

    def __init__(self, classifier: Classifier | None, because: str | None = None) -> None:
        self._classifier = classifier
        self._missing: Literal["off", "refused"] = "off" if because is None else "refused"
        self._told = False
        self._rests_from_s: float | None = None
        self.reason = because
        """Why it says nothing, for people; None while it does, or is turned off."""
        self.runs = 0
        """Since the start, the failed ones included."""

    @property
    def state(self) -> Literal["ready", "off", "refused", "failing"]:
        """Whether it can be asked."""
        if self._classifier is None:
            return self._missing
        return "ready" if self.reason is None else "failing"

    def rests(self, now_s: float) -> bool:
        """Whether it is not to be asked now, by the clock of the frames."""
        if self._classifier is None:
            return True
        since_s = self._rests_from_s
        return since_s is not None and 0.0 <= now_s - since_s < REST_S

    def ask(self, bgr: Picture, now_s: float) -> Mapping[str, float] | None:
        """What the thing in a crop is; None if the run failed.

        Args:
            bgr: uint8 (H, W, 3): the candidate with its surroundings.
            now_s: On the clock of the frames.
        """
        assert self._classifier is not None
        self.runs += 1
        try:
            found = self._classifier.probabilities(bgr)
        except inference.RUN_FAILURES as error:
            self._fail(inference.failure_reason(error), now_s)
            return None
        if not any(found.values()):  # what is no number counts as nothing
            self._fail(said("its output is not finite"), now_s)
            return None
        self._rests_from_s, self.reason = None, None
        return found

    def _fail(self, reason: str, now_s: float) -> None:
        self._rests_from_s, self.reason = now_s, reason
        if not self._told:
            _log.error("the verifier fails, and cases are judged without it: %s", reason)
        self._told = True


def open_verifier(name: str, threads: int) -> tuple[VerifierModel, inference.Classifier | None]:
    """Open the verifier, if it can be used; what is wrong with it is logged.

    Args:
        name: The model's; empty: it is turned off.
        threads: How many threads one run may use.
    """
    if not name:
        return VerifierModel(None), None
    try:
        model = inference.open_classifier(name, threads, ASKED_OF[VERIFIER], seldom=True)
    except (inference.ModelError, OSError) as error:
        faults = error.faults if isinstance(error, inference.ModelError) else [reason_of(error)]
        reason = said("{model}: {fault}", model=name, fault=list(faults))
        _log.warning("cases are judged without the verifier: %s", harmless(reason, LONGEST))
        return VerifierModel(None, reason), None
    return VerifierModel(model), model


class VerifierBudget:
    """The verifier for one camera, within a budget.

    The budget counts in event time, so that a replay asks what the device would have asked.

    Args:
        verifier: The device's.
        runs_per_s: What it may cost on average.
        pace: What heat leaves of the budget now, 0 to 1.
    """

    def __init__(
        self, verifier: VerifierModel, runs_per_s: float, pace: Callable[[], float]
    ) -> None:
        self._verifier, self._runs_per_s, self._pace = verifier, runs_per_s, pace
        self._left = float(BURST)
        self._then_s: float | None = None

    def of(self, frame: Frame, box: Box) -> Mapping[str, float] | None:
        """What a candidate in a frame is; None if it cannot be said now."""
        now_s = frame.monotonic_s
        if self._verifier.rests(now_s):
            return None
        if self._then_s is not None:
            earned = max(0.0, now_s - self._then_s) * self._runs_per_s * self._pace()
            self._left = min(float(BURST), self._left + earned)
        self._then_s = now_s
        if self._left < 1.0:
            return None
        self._left -= 1.0
        return self._verifier.ask(candidate_crop(frame.bgr(), box), now_s)
