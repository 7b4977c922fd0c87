"""The platform's tables and views, on SQLite and on a real PostgreSQL: what is there, what is missing, and why."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dialects import MADE
from tests.support.example_platform import PLATFORM
from tests.support.platform_stores import InSqlite, Store

RECEIPT = (PLATFORM / "receipt.sql").read_text(encoding="utf-8")
OF = {"tenant": "city", "device": "corner-1"}


def moment(minute: int) -> str:
    return f"2026-03-01T12:{minute:02}:00+08:00"


def event(
    event_id: str, type_: str = "case.opened", *, at: int = 0, **body: Any
) -> tuple[Any, ...]:
    raw = {
        "event_id": event_id,
        "type": type_,
        "occurred_at": moment(at),
        "clock": {"state": "synchronised", "boot_id": "b", "monotonic_s": at * 60.0},
        "body": body,
    }
    return "city", "corner-1", event_id, type_, False, json.dumps(raw)


def numbers(epoch: str, *given: int) -> list[tuple[Any, ...]]:
    return [("city", "corner-1", epoch, each, f"{epoch}-{each}") for each in given]


def birth(epoch: str, predecessor: dict[str, Any] | None, because: str) -> tuple[Any, ...]:
    return event(f"{epoch}-1", "device.birth", because=because, predecessor=predecessor)


def missing(store: Store) -> list[tuple[Any, ...]]:
    rows = store.run("SELECT epoch, first, last, why FROM missing ORDER BY epoch, first;")
    return [tuple(row.values()) for row in rows]


def told(store: Store, epoch: str) -> list[tuple[int, int]]:
    return [(row["first"], row["last"]) for row in store.run(RECEIPT, **OF, epoch=epoch)]


def test_all_dialects_are_one_model() -> None:
    for path, make in MADE.items():
        assert path.read_text(encoding="utf-8") == make(), "python -m tests.support.dialects"


def test_an_epoch_that_goes_on_awaits_what_is_missing_in_it(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 2, 5, 6, 9))
    assert missing(store) == [("e1", 3, 4, "awaited"), ("e1", 7, 8, "awaited")]
    assert told(store, "e1") == [(0, 2), (5, 6), (9, 9)]


def test_an_epoch_of_which_the_first_number_is_missing_is_not_complete(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 2, 3))
    assert missing(store) == [("e1", 1, 1, "awaited")]
    assert told(store, "e1") == [(0, 0), (2, 3)]


def test_what_a_loss_report_names_and_what_is_refused_fills_numbers(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 2, 9))
    store.insert("lost", ("city", "corner-1", "e1", 2, 6, "health", "evicted", "r1"))
    store.insert("refused", ("city", "corner-1", "e1", 8, "against_the_schema", "{}"))
    assert missing(store) == [("e1", 7, 7, "awaited")]
    assert told(store, "e1") == [(0, 6), (8, 9)]


def test_a_loss_report_may_name_more_numbers_than_anybody_could_write_down(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1))
    store.insert("lost", ("city", "corner-1", "e1", 2, 2**53 - 1, "rest", "evicted", "r1"))
    assert missing(store) == []
    assert told(store, "e1") == [(0, 2**53 - 1)]


def test_a_birth_closes_the_epoch_that_it_names_at_the_number_that_it_names(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 2, 4), *numbers("e2", 1, 2, 3))
    store.insert("event", birth("e2", {"epoch": "e1", "last_sequence": 6}, "power_cut"))
    assert missing(store) == [("e1", 3, 3, "moved"), ("e1", 5, 6, "moved")]


def test_an_epoch_of_which_nothing_came_is_known_by_the_birth_after_it(store: Store) -> None:
    store.insert("numbered", *numbers("e2", 1))
    store.insert("event", birth("e2", {"epoch": "e1", "last_sequence": 3}, "power_cut"))
    assert missing(store) == [("e1", 1, 3, "moved")]


def test_above_the_last_number_of_a_card_that_was_set_back_nobody_will_send(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 2, 3, 5, 8), *numbers("e2", 1))
    store.insert("event", birth("e2", {"epoch": "e1", "last_sequence": 6}, "rolled_back"))
    assert missing(store) == [
        ("e1", 4, 4, "moved"),
        ("e1", 6, 6, "moved"),
        ("e1", 7, 7, "set_back"),
    ]


def test_of_an_epoch_that_could_not_be_read_nobody_knows_how_far_it_went(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 3), *numbers("e2", 1))
    store.insert("event", birth("e2", {"epoch": "e1", "last_sequence": None}, "quarantined"))
    assert missing(store) == [("e1", 2, 2, "unknown")]


def test_a_cloned_card_is_an_epoch_with_two_successors(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1), *numbers("e2", 1), *numbers("e3", 1))
    for epoch in ("e2", "e3"):
        store.insert("event", birth(epoch, {"epoch": "e1", "last_sequence": 1}, "copied"))
    [found] = store.run("SELECT epoch, successors FROM cloned;")
    assert found == {"epoch": "e1", "successors": 2}


def test_a_card_that_goes_on_though_another_has_begun_the_next_epoch_is_cloned(
    store: Store,
) -> None:
    """One has heard of the other's numbers: it begins e2 at e1's third. The other goes on, two of it later than that."""
    store.insert("numbered", *numbers("e1", 1, 2, 3, 4, 5, 6), *numbers("e2", 1))
    body = {"because": "rolled_back", "predecessor": {"epoch": "e1", "last_sequence": 3}}
    store.insert("event", event("e2-1", "device.birth", at=10, **body))
    store.insert("event", event("e1-4", at=5), event("e1-5", at=20), event("e1-6", at=30))
    [found] = store.run("SELECT epoch, successors, goes_on FROM cloned;")
    assert found == {"epoch": "e1", "successors": 1, "goes_on": 2}


def test_a_card_that_was_set_back_is_no_clone(store: Store) -> None:
    """What it had told above the number that it remembers was before it began anew."""
    store.insert("numbered", *numbers("e1", 1, 2, 3, 4), *numbers("e2", 1))
    body = {"because": "rolled_back", "predecessor": {"epoch": "e1", "last_sequence": 2}}
    store.insert("event", event("e2-1", "device.birth", at=10, **body))
    store.insert("event", event("e1-3", at=5), event("e1-4", at=10))
    assert store.run("SELECT epoch FROM cloned;") == []


def test_a_card_whose_clock_nobody_set_as_it_began_an_epoch_is_no_clone(store: Store) -> None:
    """By its clock the new epoch begins before the old one's last events; but their numbers end where it says."""
    store.insert("numbered", *numbers("e1", 1, 2, 3), *numbers("e2", 1))
    body = {"because": "power_cut", "predecessor": {"epoch": "e1", "last_sequence": 3}}
    store.insert("event", event("e2-1", "device.birth", at=0, **body))
    store.insert("event", event("e1-2", at=20), event("e1-3", at=30))
    assert store.run("SELECT epoch FROM cloned;") == []


def test_a_birth_that_is_carried_into_the_next_epoch_is_no_clone(store: Store) -> None:
    """It tells of a second connection in e2, waited when e2 ended, and still names e2's predecessor."""
    store.insert("numbered", *numbers("e1", 1), *numbers("e2", 1, 2), *numbers("e3", 1))
    store.insert("numbered", ("city", "corner-1", "e3", 2, "e2-2"))
    before, again = {"epoch": "e1", "last_sequence": 1}, {"epoch": "e2", "last_sequence": 2}
    store.insert("event", birth("e2", before, "power_cut"), birth("e3", again, "power_cut"))
    store.insert("event", event("e2-2", "device.birth", because="power_cut", predecessor=before))
    assert store.run("SELECT epoch, successors FROM cloned;") == []


def test_what_was_carried_into_the_next_epoch_is_what_is_gone_from_the_one_before(
    store: Store,
) -> None:
    """Of e1, 3 and 5 waited, and 2, whose receipt was not heard; 3 has not come yet."""
    store.insert("numbered", *numbers("e1", 1, 2, 4), *numbers("e2", 1))
    store.insert("numbered", ("city", "corner-1", "e2", 2, "e1-2"))
    store.insert("numbered", ("city", "corner-1", "e2", 4, "waited-5"))
    body: dict[str, Any] = {"predecessor": {"epoch": "e1", "last_sequence": 5}, "carried": 3}
    store.insert("event", event("e2-1", "device.birth", **body))
    [found] = store.run("SELECT epoch, gone, came FROM moved;")
    assert found == {"epoch": "e1", "gone": 2, "came": 1}
    store.insert("numbered", ("city", "corner-1", "e2", 3, "waited-3"))
    [found] = store.run("SELECT gone, came FROM moved;")
    assert found["gone"] == found["came"] == 2


def test_a_receipt_goes_on_from_the_one_before(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 7, 8, 10))
    store.insert("receipted", ("city", "corner-1", "e1", 6))
    assert told(store, "e1") == [(0, 8), (10, 10)]
    assert told(store, "never heard of") == [(0, 0)]


def test_a_conflict_stands_until_the_other_event_has_a_number_of_its_own(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1, 2))
    store.insert("conflict", ("city", "corner-1", "e1", 2, "other"))
    assert len(store.run("SELECT * FROM conflicting;")) == 1
    store.insert("numbered", ("city", "corner-1", "e2", 2, "other"))
    assert store.run("SELECT * FROM conflicting;") == []


@given(
    stored=st.sets(st.integers(1, 40), max_size=30),
    named=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)), max_size=5),
    through=st.integers(0, 10),
)
def test_a_receipt_names_exactly_what_is_settled(
    stored: set[int], named: list[tuple[int, int]], through: int
) -> None:
    store = InSqlite()
    stored |= set(range(1, through + 1))
    store.insert("numbered", *numbers("e1", *stored))
    store.insert("receipted", ("city", "corner-1", "e1", through))
    for index, (first, more) in enumerate(named):
        store.insert(
            "lost", ("city", "corner-1", "e1", first, first + more, "rest", "why", f"{index}")
        )
    settled = stored.union(*(range(first, first + more + 1) for first, more in named))
    found = told(store, "e1")
    assert {each for first, last in found for each in range(first, last + 1)} - {0} == settled
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))


def case(event_id: str, state: str, at: int, **more: Any) -> tuple[Any, ...]:
    body = {"case_id": "k1", "kind": "misparked_bike", "state": state, "place": {"place_id": "p"}}
    return event(event_id, f"case.{state}", at=at, **body, **more)


def test_a_case_that_has_ended_stays_so_whatever_comes_later(store: Store) -> None:
    store.insert("event", case("3", "cleared", 30), case("4", "open", 40), case("1", "open", 10))
    assert [row["state"] for row in store.run("SELECT state FROM case_now;")] == ["cleared"]


def test_a_member_is_one_stay_though_it_came_later_by_what_was_seen(store: Store) -> None:
    """Time in which nobody could see it is left out: ``since`` moves, the member's id does not."""
    stays = [("7", 0, 10), ("7", 5, 20), ("7.2", 30, 40)]
    for at, (member, since, last) in enumerate(stays):
        times = {"since": moment(since), "last_present_at": moment(last)}
        told = [{"member_id": member, "operator": "blue", **times}]
        store.insert("event", case(f"{at}", "open", 10 + at, members=told))
    gone = [{"member_id": "7", "operator": "blue", "since": moment(5), "until": moment(15)}]
    store.insert("event", case("9", "open", 12, left=gone))
    query = "SELECT member_id, until_s - since_s AS stood_s FROM member_now ORDER BY member_id;"
    found = [(row["member_id"], round(row["stood_s"])) for row in store.run(query)]
    assert found == [("7", 600), ("7.2", 600)]


def test_an_open_case_that_the_newest_birth_does_not_name_is_unknown(store: Store) -> None:
    store.insert("event", case("1", "open", 10))
    store.insert("event", event("2", "device.birth", at=20, open_cases=["k1"]))
    assert store.run("SELECT * FROM unknown_case;") == []
    store.insert("event", event("3", "device.birth", at=30, open_cases=["another"]))
    assert [row["case_id"] for row in store.run("SELECT case_id FROM unknown_case;")] == ["k1"]


def test_times_are_read_by_the_newest_correction_of_their_boots_clock(store: Store) -> None:
    store.insert("event", case("1", "open", 10, opened_at="2026-03-01T12:10:00+08:00"))
    for nth, zero in enumerate(("2026-03-01T12:30:00+08:00", "2026-03-01T13:00:00+08:00")):
        store.insert(
            "event", event(f"c{nth}", "device.clock", at=20 + nth, boot_id="b", zero_at=zero)
        )
    [found] = store.run("SELECT opened_s, shift_s FROM case_event;")
    assert found["shift_s"] == pytest.approx(3600, abs=0.001)
    assert found["opened_s"] == pytest.approx(1772341800, abs=0.001)  # 13:10 +08:00


def test_an_inventory_counts_when_all_of_its_parts_are_there(store: Store) -> None:
    def part(number: int, inventory: str, at: int) -> tuple[Any, ...]:
        body = {"inventory_id": inventory, "part": number, "parts": 2, "cameras": []}
        zones = [{"zone_id": f"z{number}", "name": {"zh": "路口"}}]
        return event(f"{inventory}{number}", "device.inventory", at=at, **body, zones=zones)

    store.insert("event", part(1, "old", 1), part(2, "old", 1), part(1, "new", 5))
    assert [
        row["inventory_id"] for row in store.run("SELECT inventory_id FROM inventory_now;")
    ] == ["old"]
    store.insert("event", part(2, "new", 5))
    assert [
        row["inventory_id"] for row in store.run("SELECT inventory_id FROM inventory_now;")
    ] == ["new"]
    zones = store.run("SELECT zone_id, name_zh FROM zone_now ORDER BY zone_id;")
    assert zones == [{"zone_id": "z1", "name_zh": "路口"}, {"zone_id": "z2", "name_zh": "路口"}]


def test_a_heartbeat_is_read_with_the_full_one_that_it_names(store: Store) -> None:
    good, dark = {"c": {"view": "good"}}, {"c": {"view": "view_dark"}}
    store.insert("event", event("f", "device.heartbeat", at=1, views=good))
    store.insert("event", event("d1", "device.changes", at=2, of="f", changed={"views": dark}))
    assert [row["view"] for row in store.run("SELECT view FROM view_now;")] == ["view_dark"]
    store.insert("event", event("d2", "device.changes", at=3, of="f", changed={}))
    assert [row["view"] for row in store.run("SELECT view FROM view_now;")] == ["good"]


def test_what_a_hostile_device_writes_into_a_body_breaks_no_view(store: Store) -> None:
    odd: list[Any] = ["x", -1, [], {}, None, "9999-99-99T99:99:99Z", [[1]], {"value": [None]}, True]
    for type_ in (
        "case.opened",
        "device.birth",
        "device.clock",
        "device.inventory",
        "device.summary",
        "device.heartbeat",
    ):
        for index, value in enumerate(odd):
            names = (
                "members left zones cameras views open_cases place opened_at predecessor parts part"
                " zero_at boot_id of case_id state changed"
            )
            body = dict.fromkeys(names.split(), value)
            store.insert("event", event(f"{type_}{index}", type_, **body))
    store.insert("numbered", *numbers("e1", 1))
    views = (
        (PLATFORM / "sqlite.sql")
        .read_text(encoding="utf-8")
        .split("CREATE VIEW IF NOT EXISTS ")[1:]
    )
    for view in views:
        store.run(f"SELECT count(*) FROM {view.split()[0]};")


def test_a_model_that_is_there_already_is_gone_on_with(store: Store) -> None:
    store.insert("numbered", *numbers("e1", 1))
    store.prepare()
    assert told(store, "e1") == [(0, 1)]
