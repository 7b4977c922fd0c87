"""``kerbwatch explain``: why a case opened, in words and as a strip of pictures."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np

from agent.domain.scene import Box
from agent.storage.database_file import read_only
from agent.storage.minute_table import timezone_of
from agent.storage.paths import KEYS
from drivers import pictures
from drivers.files.privileges import acting_for
from provisioning.commands import suppressed
from provisioning.commands.audit import note
from provisioning.commands.stored_case import Explained, UnknownCaseError, conditions, find, places
from provisioning.console.rounding import compared, figure
from provisioning.rendering import drawing
from provisioning.wording import MAX_SHOWN, say
from provisioning.wording.case_sentences import duration
from provisioning.wording.vocabulary import (
    PICTURE_FAULTS,
    ROLES,
    VERDICTS,
    WITHDRAWALS,
    candidate_in_words,
    column_in_words,
    kind_in_words,
    known_in_words,
    measure_in_words,
)
from provisioning.wording.width import padded
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from drivers.cameras import Picture
    from provisioning.rendering.masks import Masks

ROWS_SHOWN = 16


def in_words(case: Explained) -> Iterator[str]:
    """The explanation, line by line."""
    opened = case.opened
    place = opened["place"]
    kind = kind_in_words(opened["kind"], opened["count"])
    yield say(
        "{kind}, zone {zone}, {address}", kind=kind, zone=place["zone_id"], address=place["address"]
    )
    yield say("case {case_id}", case_id=case.case_id)
    yield from _life(case)
    yield ""
    yield from _why(case)
    yield ""
    yield from _timeline(case)
    yield ""
    yield from _suppressed(case)
    yield from _pictures(case)
    for model in opened["models"]:
        name, version = model["name"], model["version"]
        yield say(
            "Model {name} {version}, SHA-256 {sha256}",
            name=name,
            version=version,
            sha256=model["sha256"][:12],
        )
    yield say("Configuration, SHA-256 {sha256}", sha256=opened["configuration_sha256"][:12])


def _pictures(case: Explained) -> Iterator[str]:
    """Which pictures there are, how they were chosen, and what each cannot show."""
    yield say("Pictures, on this device only and not redacted:")
    for picture in case.pictures:
        taken = case.shown(picture["captured_at"])
        role = padded(known_in_words(ROLES, picture["role"]), 10)
        faults = [known_in_words(PICTURE_FAULTS, each) for each in picture.get("faults", ())]
        told = f"  ({', '.join(faults)})" if faults else ""
        yield f"  {taken}  {role}  {picture['file']}{told}"
    if len(case.pictures) > 1:
        yield say(
            "A close-up is the view of which people and vehicles hide least, then the sharpest one."
        )


def _life(case: Explained) -> Iterator[str]:
    opened, last = case.opened, case.last
    began, at = case.whole(opened["began_at"]), case.shown(opened["opened_at"])
    stood = duration(opened["dwell_s"])
    yield say("Began {began}, opened {opened} after {dwell}.", began=began, opened=at, dwell=stood)
    if (warned := opened.get("warned_at")) is not None:
        yield say("Somebody was warned at {warned}.", warned=case.shown(warned))
    if last["state"] == "cleared":
        yield say(
            "Cleared {cleared}; last seen {last}, {dwell} in total.",
            cleared=case.shown(last["cleared_at"]),
            last=case.shown(last["last_present_at"]),
            dwell=duration(last["dwell_s"]),
        )
    elif last["state"] == "withdrawn":
        yield say(
            "Withdrawn {withdrawn}: {reason}.",
            withdrawn=case.shown(last["withdrawn"]["at"]),
            reason=known_in_words(WITHDRAWALS, last["withdrawn"]["reason"]),
        )
    else:
        yield say("Not cleared yet.")
    if case.notes.ticket is not None:
        yield say("Number on the platform: {ticket}.", ticket=case.notes.ticket)
    if (found := case.notes.verdict) is not None:
        yield say(
            "A reviewer found it: {verdict} ({reference}), told {at}.",
            verdict=known_in_words(VERDICTS, found.verdict),
            reference=found.reference,
            at=case.shown(found.at),
        )


def _suppressed(case: Explained) -> Iterator[str]:
    if case.suppressed:
        yield say("No such case, or none any more, by the verifier's word, in this zone so far:")
        yield from suppressed.in_words(case.suppressed, case.timezone)
        yield ""


def _verdict(case: Explained) -> Iterator[str]:
    """What the verifier said when the case opened, and whether it ended it."""
    opened, ended = case.opened.get("reason", {}), case.last.get("reason", {})
    if "seen_as" in opened:
        yield say("The verifier saw: {what}.", what=candidate_in_words(str(opened["seen_as"])))
    if ended.get("ended_by") == "verifier":
        yield say(
            "The verifier ended the case: it saw {what}.",
            what=candidate_in_words(str(ended.get("seen_as", ""))),
        )


def _why(case: Explained) -> Iterator[str]:
    held = conditions(case)
    yield from _verdict(case)
    if not held:
        yield say("The decision was not recorded.")
        return
    yield say("It opened when all of these conditions were met:")
    for each in held:
        since = (
            say("not needed")
            if each.since is None
            else say("since {time}", time=case.shown(each.since))
        )
        yield (
            f"  {padded(measure_in_words(each.name), 34)}"
            f" {compared(each.value, each.needs, each.threshold)}  {since}"
        )
    needed = [each for each in held if each.since is not None]
    if needed:
        latest = max(needed, key=lambda each: each.since.timestamp() if each.since else 0.0)
        name, time = measure_in_words(latest.name), case.shown(latest.since)
        yield say("The last to hold was: {name}, at {time}.", name=name, time=time)
        opened_at = datetime.fromisoformat(case.opened["opened_at"])
        if latest.since is not None and opened_at - latest.since > timedelta(seconds=1.5):
            yield say(
                "It then waited until {time} for a picture that shows it.",
                time=case.shown(opened_at),
            )


def _timeline(case: Explained) -> Iterator[str]:
    measures = case.trace.get("measures", ())
    if not measures:
        return
    frames, looks = case.trace["frames"], case.trace["looks"]
    yield say(
        "{frames} frames noted; the model was run on the place in {looks} of them. Some of the "
        "moments:",
        frames=frames,
        looks=looks,
    )
    yield "  " + "  ".join(
        [
            padded("", 12),
            *(padded(column_in_words(each["name"]), 15, right=True) for each in measures),
        ]
    )
    moments = case.moments
    step = max(1, -(-len(moments) // ROWS_SHOWN))
    for index in sorted({*range(0, len(moments), step), len(moments) - 1}):
        at, looked, values = moments[index]
        mark = "*" if looked else " "
        yield "  " + "  ".join(
            [
                f"{case.shown(at)} {mark}  ",
                *(f"{figure(value):>15}" for value in values[: len(measures)]),
            ]
        )
    yield say("  * the model was run on this place in this frame")


def strip(case: Explained, masks: Masks) -> Picture:
    """The case's pictures side by side, with the zone, its members and the times.

    Args:
        case: The case.
        masks: What of its camera's picture nobody may see by now.

    Returns:
        uint8 (h, w, 3): blue, green, red.

    Raises:
        UnknownCaseError: None of its pictures is there any more.
    """
    shown = []
    for told in case.pictures:
        try:
            picture = pictures.read(case.evidence / told["file"])
        except pictures.PictureError:
            continue
        body = case.opened if told["role"] != "after" else case.last
        boxes = [Box(**member["box"]) for member in body["members"]]
        if told["role"] in {"close_up", "plate_view"}:
            picture = masks.over_part(picture, boxes)
        else:
            picture = masks.over(picture)
            # What was there once is not drawn as if it were there still.
            drawing.outline(picture, case.trace.get("polygon", ()))
            drawing.frame(picture, boxes, drawing.RED if told["role"] != "after" else drawing.GREY)
        shown.append(
            drawing.captioned(picture, f"{told['role']}  {case.whole(told['captured_at'])}")
        )
    if not shown:
        raise UnknownCaseError(say("No picture of this case is in {path}.", path=case.evidence))
    return np.asarray(cv2.hconcat(shown), np.uint8)


def list_suppressed(where: Path, *, as_json: bool) -> None:
    """Print, zone by zone, what the verifier's word kept from being a case, or ended.

    Raises:
        UnknownCaseError: There is nothing to look in.
    """
    database, _, timezone = places(where)
    with acting_for(database.parent), closing(read_only(database)) as connection:
        found, held = suppressed.kept(connection), suppressed.held_back(connection)
        with suppress(sqlite3.OperationalError):  # of an agent that kept no minutes
            timezone = timezone or timezone_of(connection)
    if as_json:
        documents = suppressed.documents(found) + suppressed.held_back_documents(held)
        click.echo(json.dumps(documents, ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo(say("The verifier kept nothing from being a case."))
    for line in suppressed.by_zone(found, timezone):
        click.echo(harmless(line, MAX_SHOWN))
    for line in suppressed.held_back_in_words(held, timezone):
        click.echo(harmless(line, MAX_SHOWN))


def explain(where: Path, case_id: str | None, picture: Path | None, *, as_json: bool) -> None:
    """Print why a case opened; write its strip of pictures if asked to."""
    case = find(where, case_id)
    if as_json:
        document = {
            "case_id": case.case_id,
            "opened": case.opened,
            "last": case.last,
            "trace": case.trace,
            "conditions": [
                {
                    "name": each.name,
                    "needs": each.needs,
                    "threshold": each.threshold,
                    "value": each.value,
                    "since": None if each.since is None else each.since.isoformat(),
                }
                for each in conditions(case)
            ],
            "ticket": case.notes.ticket,
            "verdict": None
            if case.notes.verdict is None
            else case.notes.verdict.model_dump(mode="json"),
            "suppressed": suppressed.documents(case.suppressed),
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        for line in in_words(case):
            click.echo(harmless(line, MAX_SHOWN))
    if picture is not None:
        from provisioning.rendering.masks import masks_of  # noqa: PLC0415 - loads the network's runtime

        masks = masks_of(where, case.opened["place"]["camera_id"])
        with acting_for(case.evidence.parent):
            joined = strip(case, masks)
            if (case.evidence.parent / KEYS).is_dir():  # a device's, not a replay's
                note(case.evidence.parent, "explain", "pictures.looked_at", case_id=case.case_id)
        with acting_for(picture.parent):
            drawing.save(picture, joined)
        click.echo(say("Pictures side by side: {path}", path=picture), err=True)
        click.echo(say("They are not redacted: keep them on this device."), err=True)
