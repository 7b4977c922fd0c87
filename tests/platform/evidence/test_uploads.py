"""A picture that is put by HTTPS: by the device's own client, once, to a place that was made for it."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import uvicorn
from kerbwatch_platform import evidence
from kerbwatch_platform.evidence import places, uploads
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.settings import Settings, Uploads
from psycopg_pool import ConnectionPool

from agent.delivery.data_budget import DataBudget
from agent.delivery.picture_upload import PictureUploads
from agent.domain.ids import RandomIds
from agent.storage.database import Database
from agent.storage.picture_table import Put, QueuedPicture, queue_picture, queued
from drivers.testing import FakeClock
from tests.support.certificates import Authority
from tests.support.evidence_desk import City, hashed
from tests.support.outboxes import NOON, open_outbox
from tests.support.packed_cases import jpeg
from tests.support.waiting import wait_until

PICTURE = jpeg("asked for", 640, 360)


class Server:
    """The platform's uploads on a port, with a certificate of the tests' own authority."""

    def __init__(self, settings: Settings, authority: Authority, pool: ConnectionPool) -> None:
        certificate, key = authority.issue("uploads", server=True)
        config = uploads.served(
            settings, pool, host="127.0.0.1", port=0, certificate=certificate, key=key
        )
        self._server, self.authority = uvicorn.Server(config), authority
        self._thread = threading.Thread(target=self._server.run)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            wait_until(lambda: self._server.started)
            self.port = self._server.servers[0].sockets[0].getsockname()[1]
            yield
        finally:
            self._server.should_exit = True
            self._thread.join()

    def put(self, path: str, content: bytes, method: str = "PUT") -> int:
        context = ssl.create_default_context(cafile=str(self.authority.certificate_file))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context)
        with closing(connection):
            connection.request(method, path, content)
            return connection.getresponse().status


@pytest.fixture
def server(city: City, tmp_path: Path) -> Iterator[Server]:
    authority = Authority(tmp_path / "pki", "Uploads CA")
    with ConnectionPool(city.settings.database, kwargs={"autocommit": True}, open=True) as pool:
        made = Server(city.settings, authority, pool)
        with made.running():
            yield made


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Its URL's port is filled in by :func:`place`."""
    nowhere = tmp_path / "none"
    told = Uploads(url="https://localhost:1", certificate_file=nowhere, key_file=nowhere)
    return settings.model_copy(update={"uploads": told})


def place(city: City, server: Server, content: bytes = PICTURE, hours: float = 1) -> str:
    """Make a place for a picture; its URL, as a device is told it."""
    own = city.own(hashed(content))
    told = places.open_place(city.connection, city.settings, own, "case-1", hours=hours)
    return str(told["url"]).replace("localhost:1/", f"localhost:{server.port}/")


def path_in(url: str) -> str:
    return urlsplit(url).path


class Putting:
    """A device's own client, with pictures to put."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.clock = folder / "evidence", FakeClock(NOON, monotonic_s=50)
        self.database = Database(folder / "device.db")
        outbox = open_outbox(self.database)
        budget = DataBudget({}, outbox.timezone, self.clock.now)
        self.uploads = PictureUploads(
            self.database,
            outbox,
            self.folder,
            hosts=(f"localhost:{server.port}",),
            ca_file=server.authority.certificate_file,
            clock=self.clock,
            ids=RandomIds(),
            budget=lambda: budget,
        )

    def put(self, url: str, content: bytes) -> None:
        file = self.folder / "case-1" / "begin.redacted.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        until_s = self.clock.now().timestamp() + 3600
        row = QueuedPicture(hashed(content), "case-1", f"case-1/{file.name}", len(content))
        asked = row._replace(command_id="p-1", put=Put(url, until_s))
        self.database.write(lambda c: queue_picture(c, asked, self.clock.now())).result()
        self.uploads.once(threading.Event())

    def told(self) -> list[str]:
        with closing(self.database.read()) as reader:
            found = reader.execute("SELECT type FROM outbox WHERE type LIKE 'evidence.%'")
            return [row[0] for row in found]

    def waiting(self) -> int:
        with closing(self.database.read()) as reader:
            return len(queued(reader, by_put=True))


@pytest.fixture
def putting(tmp_path: Path, server: Server) -> Iterator[Putting]:
    made = Putting(tmp_path, server)
    yield made
    made.database.close()


def test_a_device_puts_a_picture_and_it_is_here_verified_by_its_hash(
    city: City, server: Server, putting: Putting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = place(city, server)
    putting.put(url, PICTURE)
    assert putting.told() == ["evidence.stored"]
    assert evidence.shown(city.connection, city.settings, hashed(PICTURE)) == PICTURE
    assert city.rows("SELECT over, state FROM evidence_file") == [("https", "unverified")]
    assert city.rows("SELECT used_at IS NOT NULL FROM evidence_place") == [(True,)]
    token = url.rpartition("/")[2]
    assert token not in caplog.text
    for (row,) in city.rows("SELECT row_to_json(p)::text FROM evidence_place p"):
        assert token not in row, "who reads the database cannot write there"


def test_a_device_whose_power_failed_before_the_answer_puts_it_again_and_is_told_so(
    city: City, server: Server, putting: Putting
) -> None:
    url = place(city, server)
    assert server.put(path_in(url), PICTURE) == 201
    putting.put(url, PICTURE)
    assert putting.told() == ["evidence.stored"]
    assert city.rows("SELECT count(*) FROM evidence_file") == [(1,)]


def test_a_place_takes_its_own_picture_alone(city: City, server: Server, putting: Putting) -> None:
    url = place(city, server)
    assert server.put(path_in(url), jpeg("another", 640, 360)) == 422
    assert server.put(path_in(url), b"") == 422
    putting.put(url, jpeg("another", 640, 360))
    assert putting.told() == ["evidence.not_sent"]
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]
    assert server.put(path_in(url), PICTURE) == 201, "what was wrong has not used it up"
    assert server.put(path_in(url), jpeg("another", 640, 360)) == 422, (
        "nor does a used one take more"
    )


def test_without_a_token_that_holds_there_is_nothing_to_be_had(city: City, server: Server) -> None:
    over = place(city, server)
    city.connection.execute("UPDATE evidence_place SET until = now() - interval '1 second'")
    good = path_in(place(city, server))
    other = good[:-1] + ("A" if good[-1] != "A" else "B")
    for path in (path_in(over), other, "/put/", "/put/x/y", "/", "/docs", "/put/%2e%2e"):
        assert server.put(path, PICTURE) == 404, path
    for method in ("GET", "POST", "DELETE", "HEAD"):
        assert server.put(good, b"", method) in {404, 405}
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]


def test_more_than_was_asked_for_is_not_read(city: City, server: Server) -> None:
    told = places.open_place(
        city.connection, city.settings, city.own(hashed(PICTURE)), "case-1", size_bytes=1000
    )
    assert told["most_bytes"] == 1000
    path = path_in(str(told["url"]))
    try:
        assert server.put(path, b"x" * 5_000_000) == 413
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        """The server has hung up while it was being sent, which is as good."""
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]


def test_while_the_disk_or_the_store_fails_the_device_is_to_come_again(
    city: City, server: Server, putting: Putting
) -> None:
    url = place(city, server)
    city.settings.evidence_folder.write_text("no folder")
    putting.put(url, PICTURE)
    assert (putting.told(), putting.waiting()) == ([], 1)
    city.settings.evidence_folder.unlink()
    city.connection.execute("ALTER TABLE evidence_file RENAME TO away")
    assert server.put(path_in(url), PICTURE) == 503
    city.connection.execute("ALTER TABLE away RENAME TO evidence_file")
    assert server.put(path_in(url), PICTURE) == 201


def test_places_that_are_over_are_forgotten_after_a_month(city: City) -> None:
    places.open_place(city.connection, city.settings, city.own("a" * 64), "case-1")
    assert places.forget(city.connection) == 0
    city.connection.execute("UPDATE evidence_place SET until = now() - interval '31 days'")
    assert places.forget(city.connection) == 1
    without = city.settings.model_copy(update={"uploads": None})
    with pytest.raises(ValueError, match="uploads"):
        places.open_place(city.connection, without, Own("t", "d", "a" * 64), "case-1")


def test_a_connection_that_is_cut_leaves_nothing(
    city: City, server: Server, connection: psycopg.Connection
) -> None:
    url = place(city, server)
    context = ssl.create_default_context(cafile=str(server.authority.certificate_file))
    cut = http.client.HTTPSConnection("localhost", server.port, context=context)
    cut.putrequest("PUT", path_in(url))
    cut.putheader("Content-Length", str(len(PICTURE)))
    cut.endheaders()
    cut.send(PICTURE[:100])
    cut.close()
    assert server.put(path_in(url), PICTURE) == 201
    assert connection.execute("SELECT count(*) FROM evidence_file").fetchone() == (1,)
