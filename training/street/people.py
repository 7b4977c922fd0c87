"""People: standing, walking, pushing, riding."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np

from training.street.materials import BLACK, Colour, Material, cloth, random_colour
from training.street.mesh import Array, Mesh, turn

SKINS: tuple[Colour, ...] = (
    (0.62, 0.40, 0.29),
    (0.50, 0.30, 0.20),
    (0.34, 0.19, 0.12),
    (0.14, 0.075, 0.045),
    (0.72, 0.48, 0.36),
)
HAIRS: tuple[Colour, ...] = (
    (0.015, 0.011, 0.009),
    (0.05, 0.03, 0.015),
    (0.2, 0.12, 0.05),
    (0.35, 0.33, 0.32),
)
TOPS: tuple[Colour, ...] = (
    (0.6, 0.6, 0.6),
    (0.03, 0.04, 0.08),
    (0.45, 0.05, 0.05),
    (0.05, 0.1, 0.28),
    (0.5, 0.42, 0.25),
)
TROUSERS: tuple[Colour, ...] = (
    (0.03, 0.04, 0.09),
    (0.025, 0.025, 0.028),
    (0.09, 0.11, 0.18),
    (0.25, 0.2, 0.13),
    (0.12, 0.12, 0.13),
)
SHOES: tuple[Colour, ...] = ((0.02, 0.02, 0.02), (0.7, 0.7, 0.7), (0.1, 0.06, 0.03))
STRIDE_M = 1.4
"""Two steps: how far a person walks in one cycle of the phase."""


@dataclass(frozen=True)
class Look:
    """How one person looks; the same look in every pose."""

    seed: int
    skin: Material = field(init=False)
    top: Material = field(init=False)
    legs: Material = field(init=False)
    hair: Material = field(init=False)
    shoes: Material = field(init=False)
    woman: bool = field(init=False)
    coat: bool = field(init=False)
    skirt: bool = field(init=False)
    short_sleeves: bool = field(init=False)
    width: float = field(init=False)
    height: float = field(init=False)
    carries: str = field(init=False)
    load: Material = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        woman = rng.random() < 0.5
        coat = rng.random() < 0.35
        chosen = {
            "skin": Material(rng.choice(SKINS), 0.55),
            "top": cloth(rng.choice((*TOPS, random_colour(rng)))),
            "legs": cloth(rng.choice(TROUSERS)),
            "hair": Material(rng.choice(HAIRS), 0.6),
            "shoes": Material(rng.choice(SHOES), 0.5),
            "woman": woman,
            "coat": coat,
            "skirt": woman and rng.random() < 0.35,
            "short_sleeves": not coat and rng.random() < 0.5,
            "width": rng.uniform(0.93, 1.12),
            "height": (0.94 if woman else 1.0) * rng.uniform(0.97, 1.04),
            "carries": rng.choice(("rucksack", "bag", "", "", "")),
            "load": Material(random_colour(rng, 0.4), 0.8),
        }
        for name, value in chosen.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Pose:
    """How a person stands.

    Attributes:
        phase: 0..1 through one stride (two steps).
        stride: 0 standing .. 1 walking.
        arms: ``swing``, ``push`` (both hands forward and low) or ``reach`` (one forward).
    """

    phase: float = 0.0
    stride: float = 0.0
    arms: str = "swing"


STANDING = Pose(phase=0.1, stride=0.12)


def _at(x: float, y: float, z: float) -> Array:
    return np.array([x, y, z], float)


def _down(angle: float) -> Array:
    """The direction a limb hangs in when swung forward by ``angle``."""
    return _at(math.sin(angle), 0, -math.cos(angle))


def person(look: Look, pose: Pose = STANDING) -> Mesh:
    """A person who faces +x, about 1.75 m tall."""
    mesh = Mesh()
    lift = _add_legs(mesh, look, pose)
    _add_trunk(mesh, look, pose, lift)
    shoulders = _at(0.025 * pose.stride, 0, 1.39 + lift)
    head = _at(0.0375 * pose.stride + 0.02, 0, 1.645 + lift)
    _add_head(mesh, look, shoulders, head)
    hand = _add_arms(mesh, look, pose, shoulders)
    if look.carries == "rucksack":
        back = ((0.98, -0.19, 0, 0.07, 0.13), (1.02, -0.21, 0, 0.10, 0.15),
                (1.3, -0.2, 0, 0.09, 0.15), (1.38, -0.18, 0, 0.06, 0.10))  # fmt: skip
        mesh.loft([(z + lift, *rest) for z, *rest in back], look.load, exponent=3.5)  # type: ignore[misc]
    elif look.carries == "bag" and pose.arms == "swing":
        mesh.box(hand + _at(0, 0, -0.22), (0.30, 0.10, 0.30), look.load, bevel=0.03)
        mesh.tube([hand, hand + _at(0, 0, -0.08)], 0.01, BLACK)
    scaled = Mesh()
    return scaled.merge(mesh, rotation=np.eye(3) * look.height)


def _add_legs(mesh: Mesh, look: Look, pose: Pose) -> float:
    """Add both legs and return how far the body is lifted so that a sole meets the ground."""
    swing, cycle = 0.44 * pose.stride, 2 * math.pi * pose.phase
    joints = []
    for side, shift in ((1, 0.0), (-1, math.pi)):
        thigh = swing * math.sin(cycle + shift) + 0.03
        bend = pose.stride * (0.12 + 0.76 * max(0.0, math.sin(cycle + shift + 1.9)) ** 2)
        hip = _at(0, 0.095 * side, 0.92)
        knee = hip + _down(thigh) * 0.44
        ankle = knee + _down(thigh - bend) * 0.42
        joints.append((hip, knee, ankle, thigh - bend))
    lift = 0.075 - min(float(ankle[2]) for _, _, ankle, _ in joints)
    for hip, knee, ankle, shin in joints:
        _add_leg(mesh, look, [p + _at(0, 0, lift) for p in (hip, knee, ankle)], shin)
    return lift


def _add_leg(mesh: Mesh, look: Look, joints: list[Array], shin: float) -> None:
    hip, knee, ankle = joints
    path = [
        hip + _at(0, 0, 0.06),
        hip + (knee - hip) * 0.3,
        hip + (knee - hip) * 0.7,
        knee,
        knee + (ankle - knee) * 0.3,
        knee + (ankle - knee) * 0.7,
        ankle + _at(0, 0, -0.01),
    ]
    if look.skirt:
        mesh.tube(path, [0.085, 0.082, 0.068, 0.056, 0.057, 0.044, 0.036], look.skin, sides=12)
    else:
        w = look.width
        mesh.tube(path, [0.10 * w, 0.098 * w, 0.082, 0.07, 0.07, 0.062, 0.06], look.legs, sides=14)
    tip = max(-0.5, min(0.6, -shin * 0.7))
    forward = _at(math.cos(tip), 0, -math.sin(tip) * 0.6)
    sole = [
        ankle + _at(-0.05, 0, -0.035),
        ankle + forward * 0.06 + _at(0, 0, -0.038),
        ankle + forward * 0.17 + _at(0, 0, -0.048),
    ]
    mesh.tube(sole, [0.04, 0.045, 0.034], look.shoes, sides=10)


def _add_trunk(mesh: Mesh, look: Look, pose: Pose, lift: float) -> None:
    woman, lean = look.woman, 0.05 * pose.stride
    levels = [
        (0.84, 0.10, 0.15),
        (0.90, 0.125, 0.175),
        (0.98, 0.12, 0.175 if woman else 0.168),
        (1.08, 0.105, 0.138 if woman else 0.155),
        (1.20, 0.115, 0.150 if woman else 0.168),
        (1.32, 0.122, 0.165 if woman else 0.188),
        (1.40, 0.11, 0.17 if woman else 0.195),
        (1.445, 0.085, 0.15),
        (1.475, 0.058, 0.075),
    ]
    if look.coat:
        levels = [(0.62, 0.15, 0.20), (0.66, 0.155, 0.205)] + [
            (z, rx + 0.02, ry + 0.02) for z, rx, ry in levels[1:]
        ]
    w = look.width
    trunk = [(z + lift, lean * (z - 0.9), 0.0, rx * w, ry * w) for z, rx, ry in levels]
    mesh.loft(trunk, look.top, sides=20, exponent=2.4)
    if look.skirt:
        skirt = ((0.50, 0.22, 0.23), (0.52, 0.225, 0.235), (0.80, 0.16, 0.19), (0.98, 0.12, 0.15))
        mesh.loft([(z + lift, 0.0, 0.0, rx, ry) for z, rx, ry in skirt], look.legs, sides=20)
    elif not look.coat:
        hips = ((0.80, 0.105, 0.15), (0.84, 0.125, 0.178), (0.93, 0.122, 0.17), (0.95, 0.10, 0.15))
        mesh.loft([(z + lift, 0.0, 0.0, rx * w, ry * w) for z, rx, ry in hips], look.legs, sides=20)


def _add_head(mesh: Mesh, look: Look, shoulders: Array, head: Array) -> None:
    mesh.tube(
        [shoulders + _at(0, 0, 0.04), head + _at(-0.015, 0, -0.06)],
        [0.062, 0.055],
        look.skin,
        sides=12,
    )
    mesh.ellipsoid(head, (0.098, 0.077, 0.122), look.skin)
    mesh.ellipsoid(head + _at(0.092, 0, -0.015), (0.022, 0.014, 0.02), look.skin, sides=8, levels=6)
    for y in (-0.076, 0.076):
        mesh.ellipsoid(
            head + _at(-0.005, y, -0.01), (0.022, 0.012, 0.032), look.skin, sides=8, levels=6
        )
    mesh.ellipsoid(head + _at(-0.018, 0, 0.03), (0.102, 0.087, 0.112), look.hair, lowest=-0.15)
    mesh.ellipsoid(
        head + _at(-0.045, 0, 0), (0.072, 0.085, 0.16 if look.woman else 0.10), look.hair
    )
    if look.woman:
        tail = [
            head + _at(-0.07, 0, 0.02),
            head + _at(-0.085, 0, -0.12),
            head + _at(-0.085, 0, -0.22),
        ]
        mesh.tube(tail, [0.07, 0.08, 0.045], look.hair, flatness=1.1)


def _add_arms(mesh: Mesh, look: Look, pose: Pose, shoulders: Array) -> Array:
    """Add both arms and return where the right hand is."""
    cycle, hand = 2 * math.pi * pose.phase, shoulders
    reach = (0.172 if look.woman else 0.195) * look.width
    for side, shift in ((1, math.pi), (-1, 0.0)):
        upper = 0.42 * pose.stride * math.sin(cycle + shift)
        fore = upper + 0.25 + 0.25 * pose.stride
        if pose.arms == "push" or (pose.arms == "reach" and side == -1):
            upper, fore = 0.55, 1.35
        twist = math.sin(0.12 * pose.stride * math.sin(cycle)) * side * 0.1
        shoulder = shoulders + _at(twist, side * reach, 0)
        elbow = shoulder + (_down(upper) + _at(0, 0.10 * side, 0)) * 0.29
        wrist = elbow + (_down(fore) + _at(0, 0.02 * side, 0)) * 0.25
        _add_sleeve(mesh, look, [shoulder, elbow, wrist])
        hand = wrist + _down(fore) * 0.06
        mesh.tube(
            [wrist, hand, hand + _down(fore) * 0.05], [0.028, 0.036, 0.024], look.skin, flatness=0.7
        )
    return hand


def _add_sleeve(mesh: Mesh, look: Look, joints: list[Array]) -> None:
    shoulder, elbow, wrist = joints
    if look.short_sleeves:
        mesh.tube(
            [shoulder, shoulder + (elbow - shoulder) * 0.7], [0.064, 0.058], look.top, sides=12
        )
        bare = [shoulder + (elbow - shoulder) * 0.4, elbow, wrist]
        mesh.tube(bare, [0.044, 0.04, 0.029], look.skin, sides=10)
        return
    thick = 0.052 + 0.012 * look.coat
    path = [shoulder, shoulder + (elbow - shoulder) * 0.5, elbow, wrist]
    mesh.tube(
        path, [0.062 + 0.01 * look.coat, thick + 0.004, thick - 0.006, 0.038], look.top, sides=12
    )


def rider(look: Look, phase: float = 0.0) -> Mesh:
    """A person on a bicycle (see :func:`training.street.cycles.bicycle`); ``phase`` turns the cranks."""
    mesh = Mesh()
    hips, lean = _at(-0.27, 0, 1.0), 0.33
    for side in (1, -1):
        angle = 2 * math.pi * phase + (0 if side == 1 else math.pi)
        hip = hips + _at(0.02, 0.09 * side, 0.0)
        pedal = _at(
            -0.06 + 0.17 * math.cos(angle), 0.11 * side, 0.29 + 0.17 * math.sin(angle) + 0.06
        )
        knee = _two_bones(hip, pedal, 0.45, 0.46)
        mesh.tube([hip, knee, pedal], [0.095, 0.07, 0.058], look.legs, sides=12)
        mesh.tube([pedal + _at(-0.08, 0, -0.02), pedal + _at(0.13, 0, -0.03)], 0.042, look.shoes)
    trunk = Mesh()
    levels = ((-0.08, 0.11, 0.16), (0.02, 0.125, 0.175), (0.2, 0.11, 0.15), (0.38, 0.12, 0.175),
              (0.50, 0.11, 0.18), (0.56, 0.06, 0.08))  # fmt: skip
    trunk.loft([(z, 0.0, 0.0, rx, ry) for z, rx, ry in levels], look.top, sides=20, exponent=2.4)
    mesh.merge(trunk, at=hips, rotation=turn("y", lean))
    shoulders = hips + turn("y", lean) @ _at(0, 0, 0.50)
    _add_head(mesh, look, shoulders, shoulders + _at(0.10, 0, 0.26))
    for side in (1, -1):
        shoulder = shoulders + _at(0, 0.18 * side, 0)
        grip = _at(0.12, 0.29 * side, 1.03)
        elbow = (shoulder + grip) / 2 + _at(-0.02, 0.05 * side, -0.06)
        mesh.tube([shoulder, elbow, grip], [0.06, 0.048, 0.036], look.top, sides=12)
    return mesh


def _two_bones(start: Array, end: Array, upper: float, lower: float) -> Array:
    """The knee between hip and foot, bent forward (law of cosines)."""
    span = end - start
    distance = min(float(np.linalg.norm(span)), (upper + lower) * 0.999)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    out = math.sqrt(max(0.0, upper**2 - along**2))
    direction = span / np.linalg.norm(span)
    forward = np.cross(_at(0, -1, 0), direction)
    return np.asarray(start + direction * along + forward / np.linalg.norm(forward) * out)
