"""Promises about the operator of a bike: named by its paint, or honestly unknown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.domain.scene import Box
from agent.perception.operator_colour import UNKNOWN, Palette, is_coloured

PALETTE = Palette.of({"amber": ["#f5c400"], "sky": ["#2f9fd0"], "leaf": ["#20b060"]})
BIKE = Box(0.25, 0.25, 0.75, 0.75)
PAINTS = {"amber": (10, 180, 235), "sky": (200, 150, 50), "leaf": (80, 160, 40)}


def street(light: tuple[float, float, float] = (1, 1, 1)) -> NDArray[np.float64]:
    random = np.random.default_rng(4)
    return np.asarray((120 + random.normal(0, 6, (200, 200, 1))) * np.array(light), float)


def with_bike(ground: NDArray[np.float64], *paints: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A frame of thin tubes and two black wheels, through which the ground is seen."""
    picture = np.clip(ground, 0, 255).astype(np.uint8).copy()
    for centre in ((70, 120), (130, 120)):
        cv2.circle(picture, centre, 22, (25, 25, 25), 2, cv2.LINE_AA)
    tubes = [((70, 120), (90, 80)), ((90, 80), (120, 85)), ((120, 85), (130, 120))]
    for number, (begin, end) in enumerate(tubes):
        cv2.line(picture, begin, end, paints[number % len(paints)], 5, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("name", PAINTS)
def test_the_paint_names_the_operator(name: str) -> None:
    assert PALETTE.operator_of(with_bike(street(), PAINTS[name]), BIKE) == name


@pytest.mark.parametrize("name", PAINTS)
def test_it_does_so_in_warm_and_in_dim_light(name: str) -> None:
    for light in ((0.9, 1.0, 1.06), (0.5, 0.5, 0.5)):
        paint = tuple(int(p * c) for p, c in zip(PAINTS[name], light, strict=True))
        picture = with_bike(street(light), (paint[0], paint[1], paint[2]))
        assert PALETTE.operator_of(picture, BIKE) == name, light


def test_a_grey_a_black_and_a_foreign_bike_are_unknown() -> None:
    for paint in ((130, 130, 130), (20, 20, 20), (150, 30, 140)):
        assert PALETTE.operator_of(with_bike(street(), paint), BIKE) == UNKNOWN


def test_a_coloured_wall_behind_the_bike_names_nobody() -> None:
    ground = np.broadcast_to(np.array(PAINTS["amber"], float), (200, 200, 3))
    assert PALETTE.operator_of(with_bike(ground, (25, 25, 25)), BIKE) == UNKNOWN


def test_a_bike_in_two_operators_colours_is_unknown() -> None:
    picture = with_bike(street(), PAINTS["amber"], PAINTS["sky"])
    cv2.line(picture, (70, 120), (130, 120), PAINTS["sky"], 5, cv2.LINE_AA)
    assert PALETTE.operator_of(picture, BIKE) == UNKNOWN


def test_a_bike_of_a_few_pixels_is_unknown() -> None:
    small = cv2.resize(with_bike(street(), PAINTS["amber"]), (40, 40))
    assert PALETTE.operator_of(small.astype(np.uint8), BIKE) == UNKNOWN


def test_a_colour_without_a_hue_is_refused_by_the_configuration() -> None:
    assert is_coloured("#f5c400")
    site = {"tenant": "city", "device_id": "d", "address": "a"}
    cameras = [{"camera_id": "c", "driver": "synthetic"}]
    operators = [{"name": "grey", "colours": ["#808080", "#f5c400"]}]
    with pytest.raises(ConfigError, match="#808080") as raised:
        from_tables({"site": site, "cameras": cameras, "operators": operators})
    assert "f5c400" not in str(raised.value)
