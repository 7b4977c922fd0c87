"""The uplink, outbox → MQTT: sends waiting events and confirms them when acknowledged.

One thread, one connection at a time. The window counts bytes: on a slow link a live event has to wait
for what is in flight. Live events are sent before the backlog, the backlog in batches, and within a lane
older before newer. (One exception: an event that the broker refuses for good is taken out, and the rest
of its batch is sent again in parts.)
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.concurrency.backoff import Backoff
from agent.delivery.channel_rights import ChannelRights
from agent.delivery.commands.backlog import BacklogCommands
from agent.delivery.commands.log import CommandLog
from agent.delivery.data_budget import DataBudget
from agent.delivery.downlink import Downlink, NewEpochError
from agent.delivery.epoch_limit import EpochLimit
from agent.delivery.left_state import LeftState
from agent.delivery.link_errors import LinkError, NoRetainError
from agent.delivery.link_history import LinkHistory
from agent.delivery.mqtt_connection import Connection, Wake
from agent.delivery.picture_sender import PictureSender
from agent.delivery.presence import Presence
from agent.delivery.send_scheduler import SendScheduler, Terms
from agent.delivery.session import ROUND_S, MovedError, Session
from agent.identity.authorities import Authorities
from agent.identity.replaced_files import ReplacedFiles
from agent.protocol.heartbeat import UplinkHealth
from agent.protocol.topics import Topics
from agent.storage.errors import StorageError
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from agent.config.schema import UplinkSection
    from agent.delivery.commands.table import AnyHandler
    from agent.delivery.followed_events import FollowedEvents
    from agent.domain.ids import Ids
    from agent.protocol.events import PublicKey
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

_AGAIN_FIRST_S, _STEADY_AFTER_S = 1.0, 10.0
"""Waits begin anew after a connection that lasted."""
_BUDGET, _SAVE_BUDGET_S = "uplink.daily_bytes", 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UplinkStats:
    """Figures of the uplink. Counts are of events, since the start."""

    connected_since: datetime | None
    sent: int
    confirmed: int
    retried: int
    dead_letters: int
    last_error: str | None
    last_error_at: datetime | None
    refused: int
    """What the platform said and was not believed."""
    health: UplinkHealth
    """What the heartbeat tells."""
    unreceipted: int
    """Sent again, because no receipt named it in time."""
    spent_today: dict[str, int]
    """Bytes of the day's budget that are spent, by class."""
    codes: dict[str, int]
    """The broker's last answer, by channel; see :class:`agent.delivery.channel_rights.ChannelRights`."""
    heard: dict[str, datetime]
    deaf: str | None


def _terms(settings: UplinkSection) -> Terms:
    """How messages are made up."""
    receipts = settings.confirm == "platform"
    return Terms(
        live_within_s=settings.live_within_s,
        batch=settings.backlog_events_per_message,
        # Half, so that the next one is under way while this one is being answered.
        batch_bytes=settings.window_bytes // 2,
        packed=settings.pack_backlog,
        receipt_timeout_s=settings.receipt_timeout_s if receipts else None,
        backlog_per_s=settings.backlog_events_per_s,
    )


class Uplink:
    """Delivers an outbox to the configured broker.

    Args:
        settings: Must name a broker.
        database: The outbox's database.
        outbox: What is to be delivered.
        tenant: A level of the topics.
        device_id: A level of the topics.
        clock: To tell live events from old ones.
        ids: For sessions and births.
        agent_version: For births.
        configuration_sha256: For births.
        signing_key: For births.
        alive: Called at every round, connected or not.
        handlers: Commands that others than the uplink obey.
        record: Writes into the audit log what the platform has ordered; raises OSError.
        authorities: Whose signatures count; unless given, nobody's.
        pictures: The folder of the pictures that may be queued; None: none are sent.
        followed: Takes note of how far single events came.
        orders_clock: By which orders expire; unless given, ``clock``.
        round_s: After so long without news of network or outbox a round begins all the same.
    """

    def __init__(
        self,
        settings: UplinkSection,
        *,
        database: Database,
        outbox: Outbox,
        tenant: str,
        device_id: str,
        clock: Clock,
        ids: Ids,
        agent_version: str,
        configuration_sha256: str,
        signing_key: PublicKey | None = None,
        alive: Callable[[], None] = lambda: None,
        handlers: Sequence[AnyHandler] = (),
        record: Callable[[str, Mapping[str, Any]], object] = lambda _what, _facts: None,
        authorities: Authorities | None = None,
        pictures: Path | None = None,
        followed: FollowedEvents | None = None,
        orders_clock: Clock | None = None,
        round_s: float = ROUND_S,
    ) -> None:
        self._settings, self._round_s = settings, round_s
        self._database, self._outbox = database, outbox
        self._clock, self._ids, self._alive = clock, ids, alive
        self._link = LinkHistory(f"{tenant}:{device_id}", clock)
        self._topics = topics = Topics(settings.topic_prefix, tenant, device_id)
        written = "topic_prefix" in settings.model_fields_set
        self._left_state = LeftState(database, topics, default_prefix=not written)
        self.presence = Presence(
            *(topics.of("state"), database, outbox, clock, ids),
            agent_version=agent_version,
            configuration_sha256=configuration_sha256,
            signing_key=signing_key,
        )
        self._wake = Wake()
        self._scheduler = SendScheduler(
            *(outbox, clock, _terms(settings)),
            settled=self._wake.set,
            budget=self._budget(),
            followed=followed,
        )
        self._backlog = BacklogCommands(
            database, outbox, self._scheduler, clock, settings.keep_arrived
        )
        self._pictures = None if pictures is None else self._picture_sender(pictures)
        self._downlink = Downlink(
            *(topics, outbox, self._scheduler.in_flight, orders_clock or clock),
            EpochLimit(clock, database),
            handlers=(*self._backlog.handlers, *handlers),
            orders=CommandLog(database, clock),
            authorities=authorities or Authorities(),
            record=record,
            pictures=self._pictures,
        )
        self._channels = ChannelRights(clock)
        self._retains = True
        """Whether state and will are left with the broker for later subscribers."""
        self._budget_saved_s = -math.inf
        database.on_commit(self._wake.set)

    def _picture_sender(self, folder: Path) -> PictureSender:
        return PictureSender(
            *(self._database, self._outbox, folder, self._topics, self._clock, self._ids),
            budget=self._scheduler.budget,
            report=self._link.report,
        )

    @property
    def connected_since(self) -> datetime | None:
        """Since when there is a connection; None: there is none. From any thread."""
        return self._link.connected_since

    @property
    def budget(self) -> DataBudget:
        """The day's; from any thread."""
        return self._scheduler.budget

    @property
    def figures(self) -> UplinkStats:
        """The present figures; from any thread."""
        in_flight = self._scheduler.in_flight
        return UplinkStats(
            connected_since=self._link.connected_since,
            sent=in_flight.sent,
            confirmed=in_flight.confirmed,
            retried=in_flight.retried,
            dead_letters=self._scheduler.dead_letters,
            last_error=self._link.last_error,
            last_error_at=self._link.last_error_at,
            refused=self._downlink.refused,
            health=self._health(),
            unreceipted=in_flight.unreceipted,
            spent_today=self._scheduler.budget.spent,
            codes=dict(self._channels.codes),
            heard=dict(self._channels.heard),
            deaf=self._channels.deaf,
        )

    def _health(self) -> UplinkHealth:
        downlink, pace = self._downlink, self._scheduler.pace
        return UplinkHealth(
            state_retained=self._retains,
            refused=downlink.refused,
            declined=downlink.declined,
            last_refused=downlink.last_refused or None,
            backlog_events_per_s=pace.per_s,
            paced_by=pace.by,
            resend_left=self._backlog.resends.left,
            epochs_begun=downlink.epochs.begun,
            epoch_wait_s=round(downlink.epochs.wait_s, 1),
            refused_events=dict(self._scheduler.in_flight.refused),
        )

    def _budget(self) -> DataBudget:
        """What may still be sent today, as it was last written down."""
        with closing(self._database.read()) as connection:
            saved = load_state(connection, _BUDGET)
        return DataBudget(
            self._settings.daily_bytes.limits(),
            self._outbox.timezone,
            self._clock.now,
            saved,
            self._clock.monotonic_s,
        )

    def _save_budget(self, every_s: float) -> None:
        """Store the data budget's counts; a crash loses what was sent since."""
        budget, now_s = self._scheduler.budget, time.monotonic()
        if budget.unsaved and now_s - self._budget_saved_s >= every_s:
            self._budget_saved_s, text = now_s, budget.document()
            self._database.write(lambda connection: save_state(connection, _BUDGET, text))

    def run(self, stop: threading.Event) -> None:
        """Deliver until stopped; call it once. A fault costs the connection, no more."""
        with closing(self._wake):
            self._reconnect_until(stop)

    def _reconnect_until(self, stop: threading.Event) -> None:
        backoff = Backoff(_AGAIN_FIRST_S, self._settings.reconnect_max_s, _STEADY_AFTER_S)
        while not stop.is_set():
            self._link.try_again()
            try:
                self._deliver(stop)
            except MovedError:
                continue
            except Exception as error:  # noqa: BLE001  the outermost line of this thread
                self._link.report(f"{type(error).__name__}: {error}")
                _log.exception("the uplink starts over")
            # Being accepted is not being up: a broker that throws us out at once is left alone
            # for longer and longer.
            self._sleep(stop, backoff.failed(self._link.end()))

    def _deliver(self, stop: threading.Event) -> None:
        """Run one connection from start to end, and handle why it ended."""
        if self._scheduler.in_flight.epoch != self._outbox.epoch:
            self._scheduler.begin_anew()
        try:
            self._session(stop)
        except NewEpochError as error:
            self._link.report(str(error))
            self._begin_epoch(error)
        except NoRetainError as error:
            self._link.report(error.reason)
            self._do_without_retaining()
        except LinkError as error:
            self._link.report_end(error)
        except StorageError as error:
            self._link.report(str(error))

    def _do_without_retaining(self) -> None:
        """Do not use retained messages from the next connection on, until the agent restarts."""
        if self._retains:
            _log.warning(
                "the broker has no retained messages: the state and the will reach only who is subscribed"
            )
        self._retains = False

    def _session(self, stop: threading.Event) -> None:
        """Connect, deliver, and disconnect cleanly when stopped, or to show a renewed certificate."""
        session_id, presence = self._ids.new(self._clock.now()), self.presence
        replaced = ReplacedFiles(self._settings)
        connection = Connection(
            self._settings,
            client_id=self._link.client_id,
            will=(presence.topic, presence.state(session_id, online=False)),
            retain=self._retains,
        )
        with closing(connection), closing(self._database.read()) as reader:
            connection.open()
            self._link.begin()
            _log.info("connected to %s", self._settings.broker)
            if not connection.limits.retains:
                self._do_without_retaining()
            session = Session(
                connection,
                reader,
                self._scheduler,
                self._settings,
                self._topics.of("events"),
                self._link.report,
                self._downlink,
                self._channels,
                retain=self._retains,
                pictures=self._pictures,
            )
            try:
                self._scheduler.pace.set(self._settings.backlog_events_per_s)
                session.listen_to(self._downlink.receipts_topic, self._downlink.commands_topic)
                session.send_state(presence.topic, presence.state(session_id, online=True))
                self._clear_left_state(session)
                self._announce(session_id)
                self._retry_what_was_too_large(session)
                while not stop.is_set() and not replaced.there():
                    self._alive()
                    session.round(self._wake, self._round_s)
                    self._find_out_if_moved()
                    self._save_budget(_SAVE_BUDGET_S)
                session.end(self._wake, presence.topic, presence.state(session_id, online=False))
            except (NewEpochError, MovedError):
                session.forget()
                raise
            finally:
                session.abandon()
                self._save_budget(0.0)

    def _find_out_if_moved(self) -> None:
        if self._scheduler.in_flight.epoch != self._outbox.epoch:
            raise MovedError

    def _begin_epoch(self, told: NewEpochError) -> None:
        """Begin a new epoch after a rollback of the database: waiting events are renumbered."""
        try:
            self._outbox.begin_epoch(told.because, told.again).result()
        except StorageError as error:
            self._link.report(str(error))
            return
        self._scheduler.begin_anew()

    def _clear_left_state(self, session: Session) -> None:
        """Clear the state that this device left under another topic, where the broker retains."""
        if self._retains and (topic := self._left_state.topic()) is not None:
            session.clear_state(topic, self._left_state.cleared)

    def _retry_what_was_too_large(self, session: Session) -> None:
        """Queue again what another limit of the broker's was too small for."""
        if again := self._outbox.resend_what_fits(session.limit_bytes).result():
            _log.info("%d events fit the broker's limit now, and are sent again", again)
            self._scheduler.look_again()

    def _announce(self, session_id: str) -> None:
        try:
            self.presence.announce(session_id)
        except StorageError as error:  # a full disk must still be drained
            self._link.report(str(error))

    def _sleep(self, stop: threading.Event, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._alive()
            stop.wait(min(left_s, ROUND_S))
