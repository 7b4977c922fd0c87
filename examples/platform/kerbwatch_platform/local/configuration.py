"""The desk's ``settings.toml``: written at the first start, and from then on the operator's."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from kerbwatch_platform import settings
from kerbwatch_platform.local.broker import url_of, write_secret
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from kerbwatch_platform.local.folder import Folder
    from kerbwatch_platform.settings import Settings

USUAL_PORT = settings.Web().port
"""Of the desk's pages; the broker's is the next one."""
_TEXT = """\
# The settings of this desk: written at its first start, and yours from then on. Only you may read them.
database = {database}
broker = {broker}
evidence_folder = {evidence}
archive_folder = {archive}
signing_key_file = {key}
workers = 2
time_zone = "Asia/Shanghai"

[web]
host = "127.0.0.1"
port = {port}
"""


def settled(folder: Folder, database: str, port: int | None) -> Settings:
    """The settings of a desk, written if there are none.

    Args:
        folder: The desk's.
        database: How its PostgreSQL is reached.
        port: Of its pages; None: the one it had, or the usual one.

    Raises:
        SettingsError: The file is none.
        DeskError: What it says does not fit what was asked for.
    """
    if not folder.settings.exists():
        _write(folder, database, port or USUAL_PORT)
    told = settings.load(folder.settings)
    if port is not None and port != told.web.port:
        _move(folder, told, port)
        told = settings.load(folder.settings)
    if told.database != database:
        raise DeskError(
            tell(
                "{path} names another database than this desk's: database must be {wanted}",
                path=folder.settings,
                wanted=json.dumps(database),
            )
        )
    return told


def _write(folder: Folder, database: str, port: int) -> None:
    facts = {
        "database": database,
        "broker": url_of(port + 1, secrets.token_urlsafe(24)),
        "evidence": str(folder.evidence),
        "archive": str(folder.archive),
        "key": str(folder.signing_key),
    }
    # A string of JSON is one of TOML.
    told = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    write_secret(folder.settings, _TEXT.format(**told, port=port))


def _move(folder: Folder, told: Settings, port: int) -> None:
    """Put another port in the place of the old one, and the broker's beside it; all else stays."""
    old = told.web.port
    text = folder.settings.read_text(encoding="utf-8")
    moved = text.replace(f"port = {old}\n", f"port = {port}\n")
    moved = moved.replace(f"@127.0.0.1:{old + 1}", f"@127.0.0.1:{port + 1}")
    if moved == text:
        raise DeskError(
            tell(
                "{path}: write port = {port} under [web] yourself", path=folder.settings, port=port
            )
        )
    write_secret(folder.settings, moved)
