"""Mappings are data: what a device does not know stays null."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from agent.protocol.examples import examples
from tests.support.example_platform import CONTRACT, module

mapping = module("kerbwatch_platform.contract.mapping")
[OPENED] = examples()["message-live"]["events"]
REPORTED = mapping.loaded(CONTRACT / "mapping-reported-matter.toml")


def test_the_mandatory_fields_of_a_reported_matter_are_all_there() -> None:
    assert {(each["name"], each["most"]) for each in REPORTED if each["mandatory"]} == {
        ("事项代码", 11),
        ("事项名称", 30),
        ("主管部门代码", 18),
        ("主管部门名称", 100),
        ("事发位置", 256),
        ("所在单元网格标识码", 15),
    }


def known_case() -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(OPENED)
    event["body"]["code"] |= {"full_code": "34020209010", "name": "非机动车乱停放"}
    event["body"]["place"] |= {
        "department": {"code": "340202000001", "name": "示例区城市管理局"},
        "address": "示例路12号",
        "grid_code": "340202001002003",
    }
    return event


def test_a_case_of_which_all_is_known_fills_every_mandatory_field() -> None:
    fields, lacking = mapping.mapped(known_case(), REPORTED)
    assert lacking == []
    assert fields == {
        "事项代码": "34020209010",
        "事项名称": "非机动车乱停放",
        "主管部门代码": "340202000001",
        "主管部门名称": "示例区城市管理局",
        "事发位置": "示例路12号",
        "所在单元网格标识码": "340202001002003",
    }


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"code": {"profile": "x", "code": None, "name": "名"}}, ["事项代码"]),
        (
            {"place": {"address": "a", "department": None}},
            ["主管部门代码", "主管部门名称", "所在单元网格标识码"],
        ),
        (
            {"place": "somewhere"},
            ["主管部门代码", "主管部门名称", "事发位置", "所在单元网格标识码"],
        ),
        ({"code": {"full_code": "340202090100", "name": "名"}}, ["事项代码"]),
    ],
)
def test_what_is_not_known_or_does_not_fit_stays_null_and_is_named(
    change: dict[str, Any], lacking: list[str]
) -> None:
    event = known_case()
    event["body"] |= change
    fields, found = mapping.mapped(event, REPORTED)
    assert found == lacking
    assert [fields[name] for name in lacking] == [None] * len(lacking)


def test_the_hotline_is_never_told_that_a_ticket_is_closed() -> None:
    event = known_case()
    event["body"] |= {"state": "cleared", "cleared_at": "2026-03-01T12:00:00+08:00"}
    fields, lacking = mapping.mapped(event, mapping.loaded(CONTRACT / "mapping-12345.toml"))
    assert lacking == []
    assert "待核查" in fields["state"]
    assert (fields["ticket"], fields["evidence_status"]) == (
        event["body"].get("ticket"),
        "lead_only",
    )
    event["body"]["state"] = "something later"
    assert mapping.mapped(event, mapping.loaded(CONTRACT / "mapping-12345.toml"))[1] == ["state"]
