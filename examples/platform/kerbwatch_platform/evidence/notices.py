"""What keeps evidence from being looked after, in words: for the desk, for commands, and for the log."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from kerbwatch_platform.words import Language, say, text

if TYPE_CHECKING:
    import psycopg

WORDS: dict[str, str] = {
    "folder_missing": text(
        "The evidence folder {folder} is not there; its disk may not be mounted. Until it is back no picture is stored, "
        "none counts as lost, and none is deleted."
    ),
    "folder_unmarked": text(
        "The evidence folder {folder} lacks this platform’s mark ({mark}): its disk may not be mounted. Until the mark is "
        "back no picture is stored, none counts as lost, and none is deleted. If this is to be the folder from now on: "
        "check-evidence --this-is-the-folder."
    ),
    "folder_other": text(
        "The evidence folder {folder} has the mark ({mark}) of another platform or of another database. No picture is "
        "stored, none counts as lost, and none is deleted. If it is this one’s all the same: check-evidence "
        "--this-is-the-folder."
    ),
    "too_many_due": text(
        "{due} of {living} files of evidence are due to be deleted at once, more than a quarter. None was deleted: look "
        "whether the periods under [retention] in the settings are right, then run retention --confirm."
    ),
}


class Notice(NamedTuple):
    """What is the matter, and since when."""

    code: str
    facts: dict[str, Any]
    since: datetime

    def words(self, language: Language) -> str:
        """For a person."""
        return words_of(language, self.code, **self.facts)


def words_of(language: Language, code: str, **facts: object) -> str:
    """What a code says to a person; one that is new here stands for itself."""
    return say(language, WORDS[code], **facts) if code in WORDS else code


def note(connection: psycopg.Connection, code: str, **facts: object) -> None:
    """Say it at the desk until it is forgotten."""
    connection.execute(
        "INSERT INTO evidence_notice (code, facts) VALUES (%s, %s)"
        " ON CONFLICT (code) DO UPDATE SET facts = excluded.facts",
        (code, json.dumps(facts)),
    )


def forget(connection: psycopg.Connection, *codes: str) -> None:
    """These are mended."""
    connection.execute("DELETE FROM evidence_notice WHERE code = ANY(%s)", (list(codes),))


def standing(connection: psycopg.Connection) -> list[Notice]:
    """What is the matter now."""
    rows = connection.execute("SELECT code, facts, since FROM evidence_notice ORDER BY since, code")
    return [Notice(*row) for row in rows]
