"""Models: detectors and classifiers, run by the decoder of the ``family`` in their manifest.

A family's file decodes and does nothing else; it defines

- ``GIVES``: ``"detections"`` or ``"probabilities"``;
- ``faults(manifest)``: what in a manifest cannot be true of this family;
- ``Decoder(manifest)``: ``decode`` turns the network's output into what it gives.

The network itself runs in :mod:`agent.inference.session`, and nowhere else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from agent.inference.manifest import (
    Manifest,
    ModelError,
    StoredModel,
    family_names,
    find_model,
    list_models,
    load_manifest,
    read_model,
)
from agent.inference.preprocess import Preparation
from agent.inference.session import RUN_FAILURES, OnnxSession, failure_reason
from agent.protocol.base import ModelUsed
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from agent.domain.scene import Detection
    from drivers.cameras import Picture

__all__ = [
    "RUN_FAILURES",
    "Classifier",
    "Detector",
    "Family",
    "Manifest",
    "ModelError",
    "StoredModel",
    "failure_reason",
    "family_names",
    "find_model",
    "list_models",
    "load_family",
    "load_manifest",
    "open_classifier",
    "open_detector",
    "read_model",
    "verify",
]

Gives = Literal["detections", "probabilities"]
_GIVES = {"detections": said("detections"), "probabilities": said("probabilities")}


class Family(Protocol):
    """A decode file of this folder. Its ``Decoder`` is built from a manifest without faults."""

    GIVES: Gives
    Decoder: Any

    def faults(self, manifest: Manifest) -> Iterator[str]:
        """Say what in the manifest cannot be true of this family."""


FAINT = 0.05
"""Score from which something may be there at all."""


class _Model:
    """A network with its manifest, ready to be shown pictures. For one thread at a time."""

    def __init__(
        self, stored: StoredModel, threads: int, gives: Gives, *, seldom: bool = False
    ) -> None:
        self.manifest, self._family = stored.manifest, _family_of(stored.manifest)
        self.manifest_sha256 = stored.manifest_sha256
        given = self._family.GIVES
        if given != gives:
            fault = said(
                "family: {family} gives {given}, not {wanted}",
                family=self.manifest.family,
                given=_GIVES[given],
                wanted=_GIVES[gives],
            )
            raise ModelError(self.manifest.name, [fault])
        self.session = OnnxSession(stored, threads, seldom=seldom)
        self._preparation = Preparation(self.manifest.input)

    @property
    def used(self) -> ModelUsed:
        """What an event says of the model that judged."""
        told = self.manifest
        return ModelUsed(name=told.name, version=told.version, sha256=told.model_sha256)

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Width and height of the network's input."""
        return self.manifest.input.width, self.manifest.input.height


class Detector(_Model):
    """Finds things in pictures."""

    def __init__(self, stored: StoredModel, threads: int, threshold: float | None = None) -> None:
        """Open a detector.

        Args:
            stored: The model as it was read.
            threads: How many threads one run may use.
            threshold: Taken in place of every class's own.

        Raises:
            ModelError: It cannot be used.
        """
        super().__init__(stored, threads, "detections")
        self._decoder = self._family.Decoder(self.manifest, threshold)
        self._faint = self._family.Decoder(self.manifest, FAINT)

    def detect(self, bgr: Picture) -> list[Detection]:
        """Find the things in a picture.

        Args:
            bgr: uint8 (H, W, 3): a frame, or a crop of one.

        Returns:
            The detections, the surest first; labels are street meanings, boxes are fractions
            of the picture given.

        Raises:
            ValueError: The picture is empty.
        """
        return self._seen(bgr, self._decoder)[0]

    def detect_faint(self, bgr: Picture) -> list[Detection]:
        """Find whatever may be there, down to a score of 0.05: for what must not be missed.

        Raises:
            ValueError: The picture is empty.
        """
        return self._seen(bgr, self._faint)[0]

    def detect_all(self, bgr: Picture) -> tuple[list[Detection], list[Detection]]:
        """What :meth:`detect` and :meth:`detect_faint` give, from one run of the network.

        Raises:
            ValueError: The picture is empty.
        """
        found, faint = self._seen(bgr, self._decoder, self._faint)
        return found, faint

    def _seen(self, bgr: Picture, *decoders: Any) -> list[list[Detection]]:
        placement = self._preparation.take(bgr)
        outputs = self.session.run_all(self._preparation.tensor)
        return [decoder.decode(*outputs, placement) for decoder in decoders]


class Classifier(_Model):
    """Says in which state the thing in a picture is."""

    def __init__(
        self,
        stored: StoredModel,
        threads: int,
        must_say: Collection[str] = (),
        *,
        seldom: bool = False,
    ) -> None:
        """Open a classifier; as :class:`Detector`.

        Args:
            stored: The model as it was read.
            threads: How many threads one run may use.
            must_say: Meanings without which it is of no use.
            seldom: Whether it runs a few times a minute at most: it then keeps little memory between.

        Raises:
            ModelError: It cannot be used, or has no class for one of these.
        """
        super().__init__(stored, threads, "probabilities", seldom=seldom)
        _refuse_silent(stored.manifest, must_say)
        self._decoder = self._family.Decoder(self.manifest)

    @property
    def thresholds(self) -> dict[str, float]:
        """From which probability on a meaning holds, as the model's maker set it."""
        return {each.meaning: each.threshold for each in self.manifest.classes if each.meaning}

    def probabilities(self, bgr: Picture) -> dict[str, float]:
        """Give the probability, 0 to 1, of each meaning.

        Args:
            bgr: uint8 (H, W, 3): the crop that shows the thing.

        Raises:
            ValueError: The picture is empty.
        """
        self._preparation.take(bgr)
        output = self.session.run(self._preparation.tensor)
        return cast("dict[str, float]", self._decoder.decode(output))


def open_detector(name: str, threads: int, *, threshold: float | None = None) -> Detector:
    """Open a detector by its folder's name.

    Args:
        name: The model's name.
        threads: How many threads one run may use.
        threshold: Taken in place of every class's own, for measuring.

    Raises:
        ModelError: There is no such model, or it cannot be used; with every fault.
    """
    return Detector(read_model(find_model(name)), threads, threshold)


def open_classifier(
    name: str, threads: int, must_say: Collection[str] = (), *, seldom: bool = False
) -> Classifier:
    """Open a classifier by its folder's name.

    Args:
        name: The model's name.
        threads: How many threads one run may use.
        must_say: Meanings without which it is of no use.
        seldom: Whether it runs a few times a minute at most.

    Raises:
        ModelError: There is no such model, or it cannot be used; with every fault.
    """
    return Classifier(read_model(find_model(name)), threads, must_say, seldom=seldom)


def load_family(name: str) -> Family:
    """Import one family's decode file. ``name`` must be one of :func:`family_names`."""
    return cast("Family", importlib.import_module(f"{__name__}.decoders.{name}"))


def verify(folder: Path, must_say: Collection[str] = ()) -> Manifest:
    """Hold a model folder against its manifest, and run the network once.

    Args:
        folder: The model's.
        must_say: Meanings without which it is of no use.

    Raises:
        ModelError: It cannot be used.
    """
    stored = read_model(folder)
    _family_of(stored.manifest)
    _refuse_silent(stored.manifest, must_say)
    OnnxSession(stored, threads=1)
    return stored.manifest


def _refuse_silent(manifest: Manifest, must_say: Collection[str]) -> None:
    """Refuse a model that does not answer what it will be asked."""
    if missing := [meaning for meaning in must_say if meaning not in manifest.labels]:
        raise ModelError(manifest.name, [said("classes: none means {missing}", missing=missing)])


def _family_of(manifest: Manifest) -> Family:
    family = load_family(manifest.family)
    if faults := list(family.faults(manifest)):
        raise ModelError(manifest.name, faults)
    return family
