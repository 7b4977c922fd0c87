"""Simulated hardware for replay, rehearsal and tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that stands still until it is moved: for replay, rehearsal and tests."""

    def __init__(
        self,
        at: datetime,
        *,
        monotonic_s: float = 0.0,
        boot_id: str = "00000000-0000-0000-0000-000000000000",
        synchronised: bool = True,
        error_s: float | None = None,
    ) -> None:
        self._at = at.astimezone(UTC)
        self._error_s = error_s
        self._monotonic_s = monotonic_s
        self._boot_id = boot_id
        self._synchronised = synchronised

    def now(self) -> datetime:
        return self._at

    def monotonic_s(self) -> float:
        return self._monotonic_s

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def synchronised(self) -> bool:
        return self._synchronised

    @property
    def error_s(self) -> float | None:
        return self._error_s if self._synchronised else None

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks.

        Raises:
            ValueError: ``seconds`` is negative; only :meth:`step` moves the wall clock back.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self._at += timedelta(seconds=seconds)
        self._monotonic_s += seconds

    def step(self, to: datetime, *, synchronised: bool = True) -> None:
        """Set the wall clock alone, as a time source does."""
        self._at = to.astimezone(UTC)
        self._synchronised = synchronised

    def reboot(self, boot_id: str) -> None:
        """Start another boot: monotonic time begins again at 0."""
        self._boot_id, self._monotonic_s = boot_id, 0.0
