"""At the desk a case stands in the fields of other systems, and days of them are had as a file."""

from __future__ import annotations

import json

import pytest
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk
from tests.support.desk_visitor import Visitor, words_of
from tests.support.exported_cases import DEVICE, TENANT, case, take

pytestmark = pytest.mark.slow
ALL_DAYS = "first_day=2020-01-01&last_day=2030-01-01"


@pytest.fixture(scope="module")
def told(desk: RunningDesk) -> RunningDesk:
    with desk.connect() as connection:
        take(connection, case("c-1"), case("c-2"))
    return desk


def test_a_case_is_shown_in_each_form_and_what_nobody_knows_is_said(
    told: RunningDesk, visitor: Visitor
) -> None:
    visitor.be(Role.VIEWER)
    answer = visitor.get(f"/exports?tenant={TENANT}&device={DEVICE}&case_id=c-1")
    assert answer.status_code == 200
    words = words_of(answer)
    assert "所在单元网格标识码 not known mandatory: fill it in" in words
    assert "示例地址" in words
    assert told.sql("SELECT case_id FROM access_log ORDER BY number DESC LIMIT 1") == [("c-1",)]
    assert visitor.get("/exports?tenant=x&device=y&case_id=z").status_code == 404


def test_days_of_cases_are_had_as_a_file_and_that_is_logged(
    told: RunningDesk, visitor: Visitor
) -> None:
    visitor.be(Role.VIEWER)
    assert "Systems that are told" in words_of(visitor.get("/exports"))
    answer = visitor.client.get(f"/exports/12345.jsonl?{ALL_DAYS}")
    assert answer.headers["content-disposition"] == 'attachment; filename="12345.jsonl"'
    cases = [json.loads(line)["fields"]["case_id"] for line in answer.text.splitlines()]
    assert cases == ["c-1", "c-2"]
    [(what, detail)] = told.sql("SELECT what, detail FROM access_log ORDER BY number DESC LIMIT 1")
    assert what == "exported"
    assert detail.startswith("12345 ")
    assert visitor.client.get("/exports/waste-containers.jsonl").text == ""
    assert len(visitor.client.get(f"/exports/cloudevents.jsonl?{ALL_DAYS}").text.splitlines()) == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/exports/guess.jsonl", 404),
        ("/exports/12345.jsonl?first_day=yesterday", 400),
        ("/exports/12345.jsonl?first_day=0001-01-01", 400),
        ("/exports/12345.jsonl?last_day=9999-12-31", 400),
    ],
)
def test_what_is_not_to_be_had_is_said(
    told: RunningDesk, visitor: Visitor, path: str, status: int
) -> None:
    assert told.url
    visitor.be(Role.VIEWER)
    assert visitor.client.get(path).status_code == status
