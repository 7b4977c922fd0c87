"""What things are made of, as plain values; :mod:`training.street.blender` turns them into shaders."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Colour = tuple[float, float, float]
"""Linear red, green and blue, each 0..1."""


@dataclass(frozen=True)
class Material:
    """A surface of one colour.

    Attributes:
        colour: Base colour.
        roughness: 0 mirror .. 1 chalk.
        metallic: 0 paint, 1 bare metal.
        mottle: How far noise may change the brightness, 0..1.
        scale: The noise's frequency in 1/m.
        bump: Strength of the relief made from the same noise.
        coat: Strength of a clear lacquer.
        glow: Emitted light.
    """

    colour: Colour
    roughness: float = 0.5
    metallic: float = 0.0
    mottle: float = 0.0
    scale: float = 6.0
    bump: float = 0.0
    coat: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True)
class Ground:
    """A large textured surface: asphalt, square paving or a brick wall."""

    colour: Colour
    pattern: Literal["asphalt", "paving", "brick"]


@dataclass(frozen=True)
class Glass:
    """A shop window: seen through and mirroring."""


AnyMaterial = Material | Ground | Glass

STEEL = Material((0.75, 0.75, 0.76), 0.25, 1.0)
RUBBER = Material((0.02, 0.02, 0.021), 0.75)
BLACK = Material((0.025, 0.025, 0.027), 0.5)
DARK_GLASS = Material((0.015, 0.02, 0.022), 0.06, coat=1.0)
WOOD = Material((0.32, 0.19, 0.09), 0.7, mottle=0.3, scale=10)
CARDBOARD = Material((0.42, 0.30, 0.17), 0.9)
RED_LAMP = Material((0.6, 0.01, 0.01), 0.15)
HEADLAMP = Material((0.95, 0.95, 0.9), 0.08, 0.2)


def paint(colour: Colour) -> Material:
    """Lacquered metal."""
    return Material(colour, 0.3, coat=0.6)


def cloth(colour: Colour) -> Material:
    """Woven fabric, slightly uneven."""
    return Material(colour, 0.9, mottle=0.15, scale=14, bump=0.3)


def random_colour(rng: random.Random, brightness: float = 0.55) -> Colour:
    """A colour that is dark more often than bright, as painted things on a street are."""
    red, green, blue = (rng.random() ** 1.6 * brightness + 0.02 for _ in range(3))
    return red, green, blue
