"""One event in the form of another system. Mappings are data (docs/platform/mappings.md); what nobody knows stays null."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from kerbwatch_platform import contract
from kerbwatch_platform.contract import mapping

Mapped = Literal["reported-matter", "running-systems", "12345"]
CLOUDEVENTS = "cloudevents"
FORMS: tuple[str, ...] = (*get_args(Mapped), CLOUDEVENTS)
"""``cloudevents`` takes any event, the others a case's."""
_FOLDER = Path(contract.__file__).parent


def formed(event: dict[str, Any], form: str) -> dict[str, Any]:
    """An event as another system takes it.

    Returns:
        A CloudEvent (1.0, JSON), or ``fields`` with ``unknown``, the mandatory ones that nobody knows: a person fills
        them in before the matter is registered. Beside them the case's own name, by which a receiver tells what it
        has already, and the standard's code as the event has it.

    Raises:
        ValueError: There is no such form.
    """
    if form == CLOUDEVENTS:
        return _cloud_event(event)
    if form not in FORMS:
        raise ValueError(f"no form {form!r}: {', '.join(FORMS)}")
    fields, unknown = mapping.mapped(event, _mapping(form))
    return _own(event) | {"fields": fields, "unknown": unknown}


def _own(event: dict[str, Any]) -> dict[str, Any]:
    """Which case it is. ``code`` is whole only with the division's digits; without them it is no 事项代码."""
    body = event["body"]
    return {
        "tenant": event["tenant"],
        "device_id": event["device_id"],
        "case_id": body["case_id"],
        "code": body.get("code"),
    }


@cache
def _mapping(form: str) -> mapping.Fields:
    return mapping.loaded(_FOLDER / f"mapping-{form}.toml")


def _cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """CloudEvents 1.0.2, JSON event format. ``source`` and ``id`` together are one event, however often it is sent."""
    body = event.get("body")
    case_id = body.get("case_id") if isinstance(body, dict) else None
    told = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": f"/{event['tenant']}/{event['device_id']}",
        "type": f"kerbwatch.{event['type']}.v2",
        "time": event.get("occurred_at"),
        "datacontenttype": "application/json",
        "dataschema": "urn:kerbwatch:contract:2:reader:event",
        "data": event,
    }
    return told | ({"subject": case_id} if isinstance(case_id, str) else {})
