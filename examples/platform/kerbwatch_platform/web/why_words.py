"""What the findings of "why was nothing reported here" say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kerbwatch_platform.web.naming import moment
from kerbwatch_platform.words import say, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kerbwatch_platform.web.naming import Names
    from kerbwatch_platform.web.queries.why import Answer, Finding
    from kerbwatch_platform.words import Language

SAYS: Final = {
    "reported": text("It was reported: the case ({kind}) was open then, since {opened_s}."),
    "not_yet": text(
        "Something was there and had not stood for long enough: it began at {began_s}, {allowed_s} are allowed, and its case ({kind}) opened at {opened_s}."
    ),
    "held_back_here": text(
        "A reviewer had found a case ({kind}) here to be a false alarm at {ended_s}. For a day, what looks alike opens no other."
    ),
    "withdrawn_before": text(
        "A case ({kind}) had just been withdrawn, at {ended_s}, because what it was judged by had changed."
    ),
    "no_case": text(
        "No case of this place was open at this time, and none opened shortly after it."
    ),
    "no_inventory": text(
        "No whole inventory of the device has come: whether the zone was drawn is not known."
    ),
    "not_drawn": text("The zone was not drawn then: nothing is claimed of what no zone covers."),
    "drawn": text("The zone was drawn then."),
    "drawn_later": text(
        "The first whole inventory is from after this time: whether the zone was drawn then is not known."
    ),
    "rule_in_force": text(
        "Its rule held at this time. Reported is what stays for longer than allowed: {judged}."
    ),
    "rule_out_of_hours": text(
        "Its rule did not hold at this time: it has hours of its own ({in_force})."
    ),
    "rule_permitted": text("It was permitted at this time ({permitted})."),
    "rule_judges_nothing": text("Nothing is judged in this zone: it only excuses or hides."),
    "rule_unknown": text(
        "Its hours are too many to be told by the device: whether its rule held is not known."
    ),
    "never_heard_before": text("Before this time nothing had come of the device."),
    "silent_since": text(
        "Since {before_s} nothing has come of the device: what it saw is not known, and may still come."
    ),
    "alive": text(
        "The device gave signs of life around this time: at {before_s} and at {after_s}."
    ),
    "without_network": text(
        "The device said nothing from {before_s} to {after_s}, and ran all the while by its own uptime: what it had to tell came later."
    ),
    "silent": text(
        "The device did not say anything from {before_s} to {after_s}. It began again: {began_because}."
    ),
    "view_unknown": text(
        "What its camera saw at this time is not known: no sign of life of then says so."
    ),
    "zone_abstained": text(
        "The zone could not be seen ({because}), since {since_s}: nothing was claimed of it."
    ),
    "camera_off": text("Its camera gave no pictures ({because}), since {since_s}."),
    "view_bad": text(
        "Its camera could not see ({because}), since {since_s}: nothing was claimed of its zones."
    ),
    "could_be_seen": text("Its camera ran and its view was good."),
    "numbers_whole": text(
        "No number of the device is missing around this time: nothing that it had told was lost."
    ),
    "numbers_awaited": text(
        "{numbers} numbers from around this time are missing: on their way, or lost here."
    ),
    "numbers_set_back": text(
        "{numbers} numbers from around this time will never come: the device's database had been set back."
    ),
    "numbers_unknown": text(
        "{numbers} numbers from around this time are missing, and nobody can say how many more."
    ),
    "numbers_lost": text(
        "{numbers} numbers from around this time were lost, by the device's own signed word."
    ),
    "numbers_refused": text(
        "{numbers} events from around this time were refused here, because they broke the contract."
    ),
    "clock_good": text("Its clock was set by a time source."),
    "clock_unsure": text(
        "No time source vouched for its clock then: the times told here may be wrong."
    ),
    "clock_unknown": text("How good its clock was then is not known."),
    "no_summary": text(
        "No summary of that day ({day}) has come: it is not over, or is still on its way."
    ),
    "day_hours": text(
        "On that day ({day}) the zone was watched and could be seen for {sensing_s}, could not be seen for {abstained_s}, and had no picture for {blind_s}."
    ),
    "day_warned_left": text(
        "On that day ({day}) {count} left after a warning by lamp or buzzer, before a case opened."
    ),
    "day_suppressed": text(
        "On that day ({day}) the second model took {count} for something else: no case opened for them."
    ),
    "day_held_back": text(
        "On that day ({day}) {count} opened no case, because they looked like a false alarm at the same place."
    ),
}
"""By the code of a finding; what stands in braces are its facts."""

REPORTED: Final = text("It was reported.")
EXPLAINED: Final = text("Nothing was reported, and it is known why.")
MAY_BE: Final = text("What follows may be the reason; none of it is certain.")
NOT_KNOWN: Final = text("It is not known why: what would have to be known for it has not come.")
NO_REASON: Final = text(
    "No reason is known. The zone was watched and could be seen: nothing stood there for as long as is allowed, or the device did not recognise it."
)
_MOMENTS = frozenset({"opened_s", "began_s", "ended_s", "before_s", "after_s", "since_s"})
_SPANS = frozenset({"allowed_s", "sensing_s", "abstained_s", "blind_s"})


class Sayer:
    """Says findings in one reader's language.

    Args:
        language: The reader's.
        names: Its words.
        at: Writes a moment on the city's clock.
    """

    def __init__(
        self, language: Language, names: Names, at: Callable[[datetime | None], str]
    ) -> None:
        self._language, self._names, self._at = language, names, at

    def finding(self, told: Finding) -> str:
        """One finding."""
        facts = {name: self._fact(name, value) for name, value in told.facts.items()}
        return say(self._language, SAYS[told.code], **facts)

    def answer(self, told: Answer) -> str:
        """What all of them come to."""
        because = told.because
        if told.reported:
            return say(self._language, REPORTED)
        if because:
            return say(self._language, EXPLAINED if because[0].weighs == "explains" else MAY_BE)
        return say(self._language, NOT_KNOWN if told.open_questions else NO_REASON)

    def _fact(self, name: str, value: Any) -> object:
        if name in _MOMENTS:
            return self._at(moment(value)) or "?"
        if name in _SPANS:
            return self._names.span(value)
        if name == "kind":
            return self._names("kind", value)
        if name == "because":
            return self._names("view", value)
        if name == "began_because":
            return self._names("because", value) or say(self._language, "not known of what")
        if name == "judged":
            return ", ".join(
                f"{self._names('kind', kind)} {self._names.span(s)}" for kind, s in value
            )
        if name in {"in_force", "permitted"}:
            return "; ".join(self._hours(each) for each in value if isinstance(each, dict))
        return value

    def _hours(self, told: dict[str, Any]) -> str:
        """Days and hours, as ``1–5 07:00–22:00``."""
        days = "".join(str(each) for each in told.get("days") or [])
        begin, end = str(told.get("begin"))[:5], str(told.get("end"))[:5]
        hours = f"{begin}–{end}"
        return (
            hours
            if days in {"1234567", ""}
            else say(self._language, "weekdays {days} {hours}", days=days, hours=hours)
        )
