"""The power goes while pictures are stored: whatever the database has was durable on the disk before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kerbwatch_platform.evidence.sweep import sweep

from tests.faults.images import NEEDS, Disk
from tests.support.evidence_desk import City
from tests.support.waiting import wait_until

STORES = """
import hashlib, sys
import psycopg
from pathlib import Path
from kerbwatch_platform import evidence
from kerbwatch_platform.settings import load
from kerbwatch_platform.contract.message import Message
from tests.support.packed_cases import jpeg

settings, prefix = load(Path(sys.argv[1])), sys.argv[2]
with psycopg.connect(settings.database, autocommit=True) as connection:
    connection.execute("INSERT INTO evidence_record (tenant, device, event_id, digest, jws) VALUES (%s, %s, 'e', '', '')",
        (sys.argv[3], sys.argv[4]))
    for number in range(1_000_000):
        content = jpeg(f"{number}", 320, 180)
        sha256 = hashlib.sha256(content).hexdigest()
        connection.execute("INSERT INTO evidence_named VALUES (%s, %s, 'e', %s, 'c', 'opened', 'begin', 'f', now(), '', %s)",
            (sys.argv[3], sys.argv[4], number, sha256))
        topic = f"{prefix}/{sha256}/{len(content)}"
        evidence.take(connection, settings, [Message(f"{topic}/{at}", content[at : at + 8192])
            for at in range(0, len(content), 8192)])
"""


@pytest.mark.slow
def test_of_every_picture_that_the_database_has_the_disk_has_the_bytes(
    city: City, tmp_path: Path
) -> None:
    """The database is another machine's, and goes on: only the disk with the evidence loses what was not durable."""
    try:
        disk = Disk(tmp_path / "host", size_mb=256).__enter__()
    except OSError as error:
        pytest.skip(f"no power can be cut here, which takes {', '.join(NEEDS)}: {error}")
    settings = city.settings.model_copy(update={"evidence_folder": disk.path / "evidence"})
    (tmp_path / "settings.toml").write_text(
        f'database = "{settings.database}"\nbroker = "mqtt://localhost"\n'
        f'evidence_folder = "{settings.evidence_folder}"\n'
        f'signing_key_file = "{settings.signing_key_file}"\n'
    )
    prefix = f"{settings.prefix}/{'/'.join(city.place)}/pictures"
    command = [sys.executable, "-c", STORES, str(tmp_path / "settings.toml"), prefix, *city.place]
    try:
        storing = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "."})
        try:
            wait_until(lambda: city.rows("SELECT count(*) FROM evidence_file")[0][0] > 20)
            # What is committed in this instant, and then the disk as it is a moment later.
            committed = {row[0] for row in city.rows("SELECT sha256 FROM evidence_file")}
            image = disk.cut()
        finally:
            storing.kill()
            storing.wait()
        disk.boot_from(image)
        assert len(committed) > 20
        sweep(city.connection, settings, whole=True)
        lost = {
            row[0] for row in city.rows("SELECT sha256 FROM evidence_file WHERE state = 'lost'")
        }
        assert committed.isdisjoint(lost)
    finally:
        disk.__exit__()
