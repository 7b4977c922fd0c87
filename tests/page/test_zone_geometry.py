"""The scripts that draw zones judge an outline as the agent does, and do and undo as one expects."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from agent.config.sections.zones import SMALLEST_ZONE
from agent.domain.polygons import area, crossings
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install

STATIC = ROOT / "provisioning" / "page" / "static"
SQUARE = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]


@pytest.fixture(scope="module")
def scripts(chromium: Browser) -> Iterator[Page]:
    """A page that has only the scripts."""
    page = chromium.new_page()
    page.route("https://scripts.example/**", _serve)
    page.goto("https://scripts.example/")
    yield page
    page.close()


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix("https://scripts.example/")
    if not name:
        route.fulfill(body="<!doctype html>", content_type="text/html")
        return
    route.fulfill(body=(STATIC / Path(name)).read_text("utf-8"), content_type="text/javascript")


def run(scripts: Page, module: str, code: str, given: Any = None) -> Any:
    """Run code with the names of a script at hand, as ``m``, and what it is given, as ``it``."""
    load = f"const m = await import('https://scripts.example/zones/{module}.js');"
    return scripts.evaluate(f"async (it) => {{ {load} {code} }}", given)


def polygons() -> list[list[list[float]]]:
    """Outlines of every sort: in order, crossing, with corners given twice, on each other, all on a line."""
    chance = random.Random(26)
    found = []
    for number in range(600):
        count = chance.randint(3, 8)
        grid = chance.choice([4, 10, 10_000])
        outline = [
            [chance.randint(0, grid) / grid, chance.randint(0, grid) / grid] for _ in range(count)
        ]
        if number % 5 == 0:
            outline.insert(1, list(outline[0]))
        found.append(outline)
    return found


def test_crossing_edges_and_areas_are_those_that_the_agent_finds(scripts: Page) -> None:
    given = polygons()
    code = "return it.map((each) => [m.area(each), m.crossings(each)]);"
    told = run(scripts, "geometry", code, given)
    plain = [[tuple(corner) for corner in outline] for outline in given]
    expected = [
        [area(each), [[list(a), list(b)] for a, b in crossings(each)]]  # type: ignore[arg-type]
        for each in plain
    ]
    assert [each[1] for each in told] == [each[1] for each in expected]
    assert [each[0] for each in told] == pytest.approx([each[0] for each in expected])
    assert sum(bool(each[1]) for each in told) > 100
    assert sum(not each[1] for each in told) > 100


@pytest.mark.parametrize(
    ("outline", "keys"),
    [
        (SQUARE, []),
        ([[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]], ["fault_crossing"]),
        ([[0.2, 0.2], [0.201, 0.2], [0.201, 0.201]], ["fault_tiny"]),
        ([[0.2, 0.2], [1.2, 0.2], [0.6, 0.6]], ["fault_outside"]),
        ([[0.2, 0.2], [0.4, 0.2], [0.6, 0.2]], ["fault_crossing"]),
    ],
    ids=["in order", "crossing", "tiny", "outside", "on a line"],
)
def test_what_is_wrong_with_an_outline_is_named(
    scripts: Page, outline: list[list[float]], keys: list[str]
) -> None:
    code = "return m.faultsOf(it[0], { smallest_area: it[1] }).map((each) => each.key);"
    assert run(scripts, "faults", code, [outline, SMALLEST_ZONE]) == keys


def test_edges_that_cross_are_named_by_their_corners_and_marked_where_they_do(
    scripts: Page,
) -> None:
    outline = [[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]]
    code = "return m.faultsOf(it, { smallest_area: 1e-5 })[0];"
    fault = run(scripts, "faults", code, outline)
    assert fault["facts"] == {"first": "1–2", "second": "3–4"}
    assert fault["at"][0] == pytest.approx([0.4, 0.4])


def test_every_step_is_undone_and_done_again_and_a_drag_is_one(scripts: Page) -> None:
    code = """
      const history = new m.History("nothing");
      history.add("drawn", "draw");
      for (const each of ["dragged", "further"]) history.add(each, "move", "drag 1");
      history.settle();
      history.add("dragged again", "move", "drag 1");
      const back = [history.undo(), history.present, history.undo(), history.present];
      const forth = [history.redo(), history.present];
      history.add("another", "draw");
      return [back, forth, history.redo(), [history.undo(), history.present]];
    """
    back, forth, nothing, other = run(scripts, "history", code)
    assert back == ["move", "further", "move", "drawn"]
    assert forth == ["move", "further"]
    assert nothing is None, "what was undone is gone once something else is done"
    assert other == ["draw", "further"]


def test_a_corner_snaps_to_another_zone_and_to_the_edge_and_never_leaves_the_picture(
    scripts: Page,
) -> None:
    code = """
      const size = { width: 400, height: 225 };
      const at = (point) => m.snapped(point, [[0.5, 0.5]], size, 0.005);
      return [[0.52, 0.52], [0.6, 0.6], [0.004, 0.4], [1.3, 0.4], [0.4, -0.2]].map(at);
    """
    corner, free, edge, right, top = run(scripts, "snapping", code)
    assert corner == {"point": [0.5, 0.5], "to": "corner", "outside": False}
    assert free == {"point": [0.6, 0.6], "to": None, "outside": False}
    assert edge == {"point": [0, 0.4], "to": "edge", "outside": False}
    assert right == {"point": [1, 0.4], "to": "edge", "outside": True}
    assert top == {"point": [0.4, 0], "to": "edge", "outside": True}


def test_what_is_seen_closer_can_be_reached_and_does_not_leave_the_screen(scripts: Page) -> None:
    code = """
      const view = new m.Viewport();
      view.resize(390, 260, 16 / 9);
      view.pinch([100, 100], [100, 100], 4);
      const under = view.toPicture([100, 100]);
      view.pan(5000, 5000);
      const seen = view.seen;
      view.pinch([10, 10], [10, 10], 0.0001);
      return [under, seen, view.zoom, view.toScreen(view.toPicture([33, 44]))];
    """
    under, seen, zoom, same = run(scripts, "viewport", code)
    assert under == pytest.approx([(100 - 14) / 362, (100 - 28.1875) / 203.625], abs=1e-6)
    assert (seen["left"], seen["top"]) == (0, 0)
    assert 0 < seen["right"] < 0.4
    assert zoom == 1
    assert same == pytest.approx([33, 44])


def test_four_handles_lay_zones_onto_another_view_of_the_ground(scripts: Page) -> None:
    code = """
      const laying = m.proposal([{ zone_id: "a", kind: "bin", polygon: it }]);
      const same = m.result(laying);
      const to = [[0.1, 0.3], [0.9, 0.2], [0.7, 0.9], [0.2, 0.8]];
      const other = m.result({ ...laying, to });
      const out = m.result(m.movedBy(laying, [0.6, 0]));
      const away = m.result(m.movedBy(laying, [3, 0]));
      const folded = m.result({ ...laying, to: [to[0], to[0], to[0], to[0]] });
      const turned = m.result(m.mirrored(laying));
      return { from: laying.from, same, other, out, away, folded, turned };
    """
    told = run(scripts, "anchoring", code, SQUARE)
    assert told["same"]["zones"][0]["polygon"] == SQUARE
    inner = told["other"]["zones"][0]["polygon"]
    assert all(0.1 < x < 0.9 and 0.2 < y < 0.9 for x, y in inner)
    assert crossings([tuple(each) for each in inner]) == []
    assert max(x for x, _ in told["out"]["zones"][0]["polygon"]) == 1, "cut off at the edge"
    assert [each["zone_id"] for each in told["out"]["cut"]] == ["a"]
    assert [each["zone_id"] for each in told["away"]["lost"]] == ["a"]
    assert told["away"]["zones"] == []
    assert told["folded"]["folded"]
    assert sorted(told["turned"]["zones"][0]["polygon"]) == sorted(SQUARE)


@pytest.mark.parametrize("shape", ["quadrilateral", "band", "box"])
def test_a_shape_to_start_from_is_in_order_and_within_what_is_seen(
    scripts: Page, shape: str
) -> None:
    seen = {"left": 0.2, "top": 0.3, "right": 0.6, "bottom": 0.7}
    corners = run(scripts, "shapes", "return m.cornersOf(...it);", [shape, seen])
    outline = [tuple(each) for each in corners]
    assert crossings(outline) == []
    assert area(outline) > SMALLEST_ZONE
    assert all(0.2 <= x <= 0.6 and 0.3 <= y <= 0.7 for x, y in outline)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({}, "copy_no_zones"),
        ([], "copy_no_zones"),
        (None, "copy_no_zones"),
        ({"zones": []}, "copy_empty"),
        ({"zones": [{"kind": "bin"}]}, "copy_not_drawn"),
        ({"zones": [None]}, "copy_not_drawn"),
        ({"zones": [{"kind": "bin", "zone_id": "a", "polygon": [[0, 0], [1, "1"], [0, 1]]}]}, "copy_not_drawn"),
        ({"zones": [{"kind": "bin", "zone_id": "a", "polygon": SQUARE}]}, None),
    ],
)  # fmt: skip
def test_a_file_that_is_no_zones_json_is_refused_with_its_reason(
    scripts: Page, document: Any, fault: str | None
) -> None:
    assert run(scripts, "zones", "return m.readable(it);", document) == fault


def test_what_the_city_files_about_other_ground_is_not_copied(scripts: Page) -> None:
    zone = {
        "zone_id": "a",
        "kind": "bin",
        "camera_id": "street",
        "polygon": SQUARE,
        "name": {"en": "Bin"},
        "allowed_s": 60,
        "in_force": [{"from": "07:00", "to": "22:00"}],
    }
    filed = {"grid_code": "1", "city_place_id": "p", "coordinates": {}, "responsible_unit": "u"}
    assert run(scripts, "zones", "return m.ruleAlone(it);", zone | filed) == zone
