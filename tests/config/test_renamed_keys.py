"""A key that was called otherwise once: the site goes on, and people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.config.faults import ConfigError
from agent.config.loading import from_tables, load
from agent.config.plausibility import remarks
from agent.config.renamed_keys import RENAMED
from tests.support.sites import site_of

if TYPE_CHECKING:
    from pathlib import Path

SITE = site_of(storage=None)
VALUES = {"min_share": 0.4, "restart_max_s": 100.0, "min_gap_s": 9.0, "min_free_mb": 7.0}
VALUES |= {
    "min_free_inodes": 9,
    "blocked_min_share": 0.2,
    "min_support": 0.6,
    "min_confidence": 0.4,
}


def site_with(place: tuple[str, ...], **keys: Any) -> dict[str, Any]:
    table: dict[str, Any] = keys
    for section in reversed(place[:-1]):
        table = {section: table}
    return SITE | table


def test_the_keys_of_the_first_sites_are_known() -> None:
    """As they stand in sites that are out there: none of these may be lost from the table."""
    assert {".".join(place) for place in RENAMED} == {
        "cooling.least",
        "recovery.restart_most_s",
        "collection.least_gap_s",
        "retention.least_free_mb",
        "retention.least_free_inodes",
        "view_guard.blocked_least_share",
        "scenarios.misparked_bikes.least_support",
        "scenarios.misparked_bikes.least_confidence",
    }
    assert not [place for place, new in RENAMED.items() if place[-1] == new]


@pytest.mark.parametrize("place", RENAMED)
def test_an_old_key_means_what_the_new_one_does(place: tuple[str, ...]) -> None:
    new = RENAMED[place]
    old_site = from_tables(site_with(place, **{place[-1]: VALUES[new]}))
    new_site = from_tables(site_with(place, **{new: VALUES[new]}))
    assert old_site.settings_sha256() == new_site.settings_sha256()
    assert old_site.settings_sha256() != from_tables(SITE).settings_sha256()


@pytest.mark.parametrize("place", RENAMED)
def test_people_are_told_of_an_old_key(place: tuple[str, ...]) -> None:
    new = RENAMED[place]
    told = [
        each.what
        for each in remarks(from_tables(site_with(place, **{place[-1]: VALUES[new]})))
        if each.what.startswith(".".join(place))
    ]
    assert told == [f"{'.'.join(place)}: this key is called {new} now"]
    assert not [
        each
        for each in remarks(from_tables(site_with(place, **{new: VALUES[new]})))
        if "is called" in each.what
    ]


def test_a_key_under_both_names_is_refused_with_every_other_fault() -> None:
    site = SITE | {"cooling": {"least": 0.4, "min_share": 0.5, "from_c": "hot"}}
    with pytest.raises(ConfigError) as refused:
        from_tables(site)
    told = sorted(refused.value.faults)
    assert len(told) == 2
    assert told[0].startswith("cooling.from_c")
    assert told[1] == "cooling.least: given as min_share as well; keep min_share"


def test_a_wrong_value_under_an_old_key_and_an_unknown_key_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        from_tables(SITE | {"cooling": {"least": 7, "lest": 1}})
    assert sorted(each.split(":")[0] for each in refused.value.faults) == [
        "cooling.least",
        "cooling.lest",
    ], "by the name that stands in the file"


def test_what_was_read_is_left_as_it_was(tmp_path: Path) -> None:
    tables = SITE | {"cooling": {"least": 0.4}}
    from_tables(tables)
    assert tables["cooling"] == {"least": 0.4}
    text = (
        '[site]\ntenant = "city"\ndevice_id = "corner"\naddress = "example"\n'
        '[[cameras]]\ncamera_id = "street"\ndriver = "synthetic"\n[retention]\nleast_free_mb = 9\n'
    )
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    configuration = load(tmp_path)
    assert configuration.retention.min_free_mb == 9
    assert configuration.old_keys == (("retention", "least_free_mb"),)
