"""Puts redacted pictures together from their pieces, each picture once, and says how much of each is there.

The consumer beside it calls this in the transaction that stores a piece; how pictures travel stands in
docs/platform/pictures.md. A picture counts only when its bytes are what its SHA-256 says.

    python pictures.py platform.db pictures     # writes those that are whole into a folder
"""

import hashlib
import re
import sqlite3
import sys
from pathlib import Path

MAX_BYTES, MAX_PIECE = 8_000_000, 65_536
_PIECE = re.compile(
    r"(?P<before>.+/(?P<tenant>[^/]+)/(?P<device>[^/]+))/pictures/"
    r"(?P<sha256>[0-9a-f]{64})/(?P<size>[0-9]{1,7})/(?P<first>[0-9]{1,7})"
)


def beside(events_topic):
    """What to subscribe to for the pieces, as for events."""
    return events_topic.removesuffix("events") + "pictures/#"


def is_piece(topic):
    """Whether it is a topic of pieces."""
    return "/pictures/" in topic


def take(db, topic, payload):
    """Keep a piece. Gives how many bytes are there without a gap, by topic and picture; nothing for what is none."""
    piece = _PIECE.fullmatch(topic)
    if piece is None:
        return {}
    size, first = int(piece["size"]), int(piece["first"])
    if size > MAX_BYTES or not 0 < len(payload) <= min(MAX_PIECE, size - first):
        return {}
    own = (piece["tenant"], piece["device"], piece["sha256"])
    has = size if _is_whole(db, own) else _keep(db, own, size, first, payload)
    return {(piece["before"], *own): has}


def _is_whole(db, own):
    query = "SELECT 1 FROM picture WHERE (tenant, device, sha256) = (?, ?, ?)"
    return db.execute(query, own).fetchone() is not None


def _keep(db, own, size, first, payload):
    row = (*own, size, first, payload)
    db.execute("INSERT INTO picture_piece VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
    mine = "(tenant, device, sha256) = (?, ?, ?)"
    query = (
        f"SELECT first, content FROM picture_piece WHERE {mine} AND size_bytes = ? ORDER BY first"
    )
    content = bytearray()
    for begin, part in db.execute(query, (*own, size)):
        if begin > len(content):
            break
        content += part[len(content) - begin :]
    if len(content) < size:
        return len(content)
    right = hashlib.sha256(content).hexdigest() == own[2]
    if right:
        db.execute("INSERT INTO picture VALUES (?, ?, ?, ?, ?)", (*own, size, bytes(content)))
    db.execute(f"DELETE FROM picture_piece WHERE {mine}", own)
    return size if right else 0  # what is not what it says is forgotten, and comes again


def receipts(db, has):
    """A receipt for each device of which a piece came, and its topic: it says again what a receipt said before."""
    query = "SELECT epoch, through FROM receipted WHERE (tenant, device) = (?, ?) LIMIT 1"
    for before, tenant, device in {of[:3] for of in has}:
        known = db.execute(query, (tenant, device)).fetchone()
        if known is None:  # no event of it has come yet: its pictures will come again
            continue
        told = [(of[3], size) for of, size in has.items() if of[:3] == (before, tenant, device)]
        receipt = {"contract": 2, "epoch": known[0], "contiguous_through": known[1]}
        yield f"{before}/receipts", receipt | {"pictures": told}


def main(database, folder):
    """Write every picture that is whole into a folder, under the name of its SHA-256."""
    Path(folder).mkdir(exist_ok=True)
    db = sqlite3.connect(database)
    for sha256, content in db.execute("SELECT DISTINCT sha256, content FROM picture"):
        Path(folder, f"{sha256}.jpg").write_bytes(content)
        print(sha256, len(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
