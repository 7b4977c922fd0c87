"""Words for what devices tell by identifiers, and moments and durations as people read them.

An identifier that has no words here (a newer device's) is shown as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kerbwatch_platform.evidence.wording import WHY
from kerbwatch_platform.words import say, text

if TYPE_CHECKING:
    from kerbwatch_platform.words import Language

KINDS: Final = {
    "": text("of no kind that can be read"),
    "street_vending": text("street vending"),
    "misparked_bike": text("misparked bikes"),
    "overflowing_bin": text("overflowing bin"),
    "exposed_rubbish": text("exposed rubbish"),
    "shop_overflow": text("shop goods outside"),
}
STATES: Final = {
    "": text("not known"),
    "open": text("open"),
    "cleared": text("cleared"),
    "withdrawn": text("withdrawn"),
}
BLINDNESS: Final = {
    "good": text("good"),
    "view_dark": text("dark"),
    "view_over_exposed": text("over-exposed"),
    "view_blocked": text("blocked or dirty"),
    "view_moved": text("moved"),
    "view_out_of_focus": text("out of focus"),
    "view_frozen": text("frozen"),
    "camera_lost": text("no frames from the camera"),
    "camera_hangs": text("the camera hangs"),
    "opening": text("opening"),
    "running": text("running"),
    "ended": text("ended"),
}
ROLES: Final = {
    "begin": text("begin"),
    "threshold": text("time limit reached"),
    "close_up": text("close-up"),
    "plate_view": text("plate"),
    "after": text("after"),
}
PICTURE_FAULTS: Final = {
    "cut": text("cut by the picture's edge"),
    "dark": text("dark"),
    "hidden": text("hidden by people or vehicles"),
    "small": text("small"),
    "no_ten_seconds": text("begin and time limit less than 10 s apart"),
    "below_720p": text("below 1280 × 720"),
}
WITHDRAWALS: Final = {
    "zone_gone": text("its zone is drawn no more"),
    "zone_changed": text("its place is no longer judged by the same rule"),
    "unit_moved": text("the device or its camera was moved"),
    "scenario_off": text("what judged it was turned off"),
    "judged_false": text("a reviewer found it to be a false alarm"),
}
VERDICTS: Final = {
    "valid": text("valid"),
    "false": text("false alarm"),
    "duplicate": text("duplicate"),
}
LEGAL: Final = {
    "legal_review_no": text("legal review"),
    "tech_review_no": text("technical review"),
    "sign_installed": text("sign"),
    "location_published": text("published location"),
}
TOLD: Final = {
    "waiting": text("waits to be sent"),
    "sent": text("sent, no answer yet"),
    "done": text("accepted by the device"),
    "refused": text("refused by the device"),
    "later": text("not yet taken by the device, and sent again by itself"),
    "expired": text("not answered in time"),
    "confirmed": text("confirmed by the device"),
    "undone": text("taken back by its author"),
}
ANSWERS: Final = {
    "expired": text("its time was over by the device's clock"),
    "expires_too_late": text("it holds for longer than the device lets an order hold"),
    "clock_unsure": text(
        "nothing vouches for the device's clock, so it cannot tell whether the order still holds"
    ),
    "id_used": text("another order has its number"),
    "rate_limited": text("too many orders at once; it is sent again"),
    "not_signed": text("it has to be signed"),
    "no_authority": text("the site names no key that may order this"),
    "unknown_key": text("the site does not name the key that signed it"),
    "bad_signature": text("its signature does not hold"),
    "wrong_role": text("the key that signed it may not order this"),
    "wrong_device": text("it was signed for another device"),
    "not_found": text("the device has nothing of what it is about"),
    "held_on_device": text("a technician holds the case at the device"),
    "on_trial": text("a configuration is on trial at the device; it is sent again"),
    "not_redacted": text("the picture could not be redacted, so it stays on the device"),
    "not_ready": text("the picture is still to be redacted; it is sent again"),
    "host_not_named": text("the site does not let pictures be put there"),
    "allowance_spent": text("more pictures were asked for than are allowed now; it is sent again"),
    "not_available": text("this device cannot do it yet"),
    "not_stored": text("the device's disk did not take it; it is sent again"),
    "unknown_command": text("its agent does not know this order"),
    "failed": text("a fault of the device: tell whoever looks after it"),
}
NOT_SENT: Final = {
    "deleted": text("deleted on the device before it was sent"),
    "damaged": text("damaged on the device"),
    "upload_expired": text("the time in which it could be sent was over"),
    "upload_refused": text("the place it was sent to did not take it"),
}
ZONE_KINDS: Final = {
    "no_parking": text("no parking"),
    "bay": text("parking bay"),
    "no_vending": text("no vending"),
    "shop_front": text("shop front"),
    "no_dumping": text("no dumping"),
    "bin": text("bin"),
    "mask": text("mask"),
}
BECAUSE: Final = {
    "first_start": text("a new device"),
    "missing": text("its database was not there"),
    "quarantined": text("its database was damaged"),
    "volatile": text("its disk took no writes"),
    "durable": text("its disk took writes again"),
    "power_cut": text("a power cut"),
    "rolled_back": text("its database had been set back"),
    "copied": text("another device has its numbers, or it was set back"),
    "upgraded": text("an older agent before it"),
    "replay": text("a replay"),
}
CLOCKS: Final = {
    "synchronised": text("set by a time source"),
    "unsynchronised": text("no time source vouches for it"),
    "replay": text("the times of a recording"),
}
GAPS: Final = {
    "awaited": text("on their way, or lost here"),
    "moved": text("come under numbers of the next epoch"),
    "set_back": text("nobody can send them: its database had been set back"),
    "unknown": text("nobody can say: the epoch before could not be read"),
    "lost": text("named lost by the device"),
    "refused": text("refused here: it broke the contract"),
}
DOWN: Final = {
    "relocated": text("moved to another place"),
    "replaced": text("replaced by another one"),
    "end_of_life": text("it was too old"),
    "end_of_contract": text("the contract has ended"),
    "damaged": text("it was damaged"),
    "stolen": text("it was stolen"),
}
LABELS: Final = {
    "person": text("person"),
    "bicycle": text("bike"),
    "motorcycle": text("e-bike or motorcycle"),
    "car": text("car"),
    "bus": text("bus"),
    "truck": text("truck"),
    "umbrella": text("umbrella"),
    "stall": text("stall"),
    "bin": text("bin"),
    "rubbish": text("heap of rubbish"),
    "shop_goods": text("shop goods"),
}
STAGES: Final = {
    "opened": text("opened"),
    "cleared": text("cleared"),
    "withdrawn": text("withdrawn"),
    "deleted": text("deleted"),
}
PROOF: Final = {
    "verified": text("verified"),
    "unverified": text("not verified"),
    "refused": text("refused: not a picture that may be shown"),
    "awaited": text("not here yet"),
    "not_redacted": text("never leaves the device"),
    "deleted": text("deleted here"),
}
KEPT_AS: Final = {
    "open": text("open"),
    "undecided": text("not decided"),
    "false": text("false alarm"),
    "duplicate": text("duplicate"),
    "valid": text("valid"),
    "handed_over": text("handed over"),
    "others": text("of no case"),
}
CHAIN: Final = {
    "begins": text("begins the chain"),
    "follows": text("follows the record before it"),
    "awaits": text("the record before it is not here"),
    "broken": text("breaks the chain"),
}


WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "kind": KINDS,
    "state": STATES,
    "view": BLINDNESS,
    "role": ROLES,
    "picture_fault": PICTURE_FAULTS,
    "withdrawal": WITHDRAWALS,
    "verdict": VERDICTS,
    "legal": LEGAL,
    "told": TOLD,
    "answer": ANSWERS,
    "not_sent": NOT_SENT,
    "zone_kind": ZONE_KINDS,
    "because": BECAUSE,
    "clock": CLOCKS,
    "gap": GAPS,
    "down": DOWN,
    "label": LABELS,
    "stage": STAGES,
    "proof": PROOF,
    "why_not": WHY,
    "chain": CHAIN,
    "kept_as": KEPT_AS,
}


class Names:
    """Words in one reader's language, for templates: ``names("kind", "misparked_bike")``.

    Args:
        language: The reader's.
    """

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, what: str, told: Any) -> str:
        """The words for an identifier; nothing for None.

        Args:
            what: Which table of :data:`WORDS`.
            told: The identifier.
        """
        if told is None:
            return ""
        english = WORDS[what].get(str(told))
        return str(told) if english is None else say(self._language, english)

    def listed(self, what: str, told: Iterable[Any]) -> str:
        """The words for several identifiers, as one lists them in the reader's language."""
        return ("、" if self._language == "zh_CN" else ", ").join(self(what, each) for each in told)

    def place(self, chinese: str | None, english: str | None, *otherwise: str | None) -> str:
        """A place's name in the reader's language, or the next best that is known of it."""
        first, second = (chinese, english) if self._language == "zh_CN" else (english, chinese)
        return next((each for each in (first, second, *otherwise) if each), "")

    def span(self, seconds: float | None) -> str:
        """For how long: ``40 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
        if seconds is None:
            return ""
        whole = max(0, round(seconds))
        if whole < 100:
            return say(self._language, "{seconds} s", seconds=whole)
        minutes = whole // 60
        if minutes < 60:
            return say(self._language, "{minutes} min", minutes=minutes)
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            return say(self._language, "{hours} h {minutes} min", hours=hours, minutes=minutes)
        days, hours = divmod(hours, 24)
        return say(self._language, "{days} d {hours} h", days=days, hours=hours)


_YEARS_S: Final = 253_370_764_800.0
"""Until the year 9999: later no clock of a city can show."""


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a moment; None for what no clock can show."""
    if seconds is None or not 0 <= seconds < _YEARS_S:
        return None
    return datetime.fromtimestamp(seconds, UTC)
