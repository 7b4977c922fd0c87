"""Promises about the operator of a bike: named by its paint, or honestly unknown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.perception.operator_colour import UNKNOWN, Palette, is_coloured
from tests.support.painted_bike import BIKE, PAINTS, street, with_bike

PALETTE = Palette.of({"amber": ["#f5c400"], "sky": ["#2f9fd0"], "leaf": ["#20b060"]})


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
