"""The figures: their names, titles and columns."""

from __future__ import annotations

from kerbwatch_platform.figures import making
from kerbwatch_platform.figures.question import Column, Question, Unit
from kerbwatch_platform.words import text

_SEEN = (
    Column("seen_hours", text("hours able to see"), "hours"),
    Column("asked_hours", text("hours asked for"), "hours"),
)
_CITY = Column("tenant", text("city"), "text")
_PLACE = Column("place_id", text("place"), "text")
_KIND = Column("kind", text("kind"), "kind")


def _with(name: str, words: str, low: str, high: str, unit: Unit) -> tuple[Column, ...]:
    """A column and its interval of 95 %."""
    return (
        Column(name, words, unit),
        Column(f"{name}_low", low, unit),
        Column(f"{name}_high", high, unit),
    )


_OPENED_PER_HOUR = _with(
    "opened_per_hour",
    text("cases per hour"),
    text("cases per hour, from"),
    text("cases per hour, to"),
    "rate",
)

_ALL = (
    Question(
        "operators",
        text("Shared bikes by operator"),
        text(
            "Bikes that came to stand where they may not, and their minutes within the period, per hour in which a"
            " camera could see the zone. The operator is known by the paint alone: “unknown” is a bike of no operator's"
            " colour, “not told” one of which no view was taken, or at a site that names no operators. No plate and no"
            " code is read on the device: of “one bike, one plate, one code” these figures say only how large the share"
            " is that could not be assigned. Intervals: bootstrap over days of zones."
        ),
        (
            _CITY,
            Column("operator", text("operator"), "operator"),
            Column("bikes", text("bikes"), "count"),
            *_with(
                "share", text("share of bikes"), text("share, from"), text("share, to"), "share"
            ),
            Column("minutes", text("minutes stood"), "minutes"),
            *_with(
                "bikes_per_hour",
                text("bikes per hour"),
                text("bikes per hour, from"),
                text("bikes per hour, to"),
                "rate",
            ),
            *_with(
                "minutes_per_hour",
                text("minutes per hour"),
                text("minutes per hour, from"),
                text("minutes per hour, to"),
                "rate",
            ),
            *_SEEN,
        ),
        making.operators,
    ),
    Question(
        "sanitation",
        text("Sanitation by responsible unit"),
        text(
            "Overflowing bins and exposed rubbish. The time to clear runs from the case's opening to the moment the place"
            " was sure to be clear, of the cases cleared in the period; what was withdrawn or taken back by the second"
            " model was cleared by nobody. It is an input to a credit rating, and no rating. Intervals: Wilson (share),"
            " exact Poisson (cases per hour)."
        ),
        (
            _CITY,
            Column("unit", text("responsible unit"), "text"),
            _KIND,
            Column("opened", text("opened"), "count"),
            Column("cleared", text("cleared"), "count"),
            Column("standing", text("standing at the end"), "count"),
            Column("otherwise", text("ended otherwise"), "count"),
            Column("minutes", text("minutes stood"), "minutes"),
            Column("median_minutes", text("time to clear, median (min)"), "minutes"),
            Column("p90_minutes", text("time to clear, 90th percentile (min)"), "minutes"),
            Column("longest_minutes", text("time to clear, longest (min)"), "minutes"),
            Column("within_sla", text("within the limit"), "count"),
            Column("with_sla", text("with a limit"), "count"),
            *_with(
                "within_share",
                text("share within the limit"),
                text("within the limit, from"),
                text("within the limit, to"),
                "share",
            ),
            *_OPENED_PER_HOUR,
            *_SEEN,
        ),
        making.sanitation,
    ),
    Question(
        "overflows",
        text("Every overflow"),
        text("Each case of which the figures by responsible unit are made, with its times."),
        (
            _CITY,
            Column("unit", text("responsible unit"), "text"),
            _KIND,
            _PLACE,
            Column("address", text("address"), "text"),
            Column("device", text("device"), "text"),
            Column("case_id", text("case"), "text"),
            Column("began", text("began"), "moment"),
            Column("opened", text("opened"), "moment"),
            Column("stood_until", text("last seen there"), "moment"),
            Column("ended", text("ended"), "moment"),
            Column("ended_how", text("how it ended"), "ended"),
            Column("took_minutes", text("time to clear (min)"), "minutes"),
            Column("sla_minutes", text("limit (min)"), "minutes"),
            Column("not_seen_because", text("not seen because"), "text"),
            Column("verdict", text("verdict"), "verdict"),
        ),
        making.overflows,
        hours=None,
    ),
    Question(
        "vending",
        text("Vending by place and hour"),
        text(
            "When and where stalls come, for the question of market hours. Cases go by the hour in which they opened; in"
            " permitted hours none opens. The hours able to see are those for which the device gave signs of life: while"
            " its connection was down they are not known, though the camera may have seen. Intervals: exact Poisson."
        ),
        (
            _CITY,
            _PLACE,
            Column("weekday", text("day of the week"), "weekday"),
            Column("hour", text("hour"), "count"),
            Column("opened", text("opened"), "count"),
            Column("minutes", text("minutes stood"), "minutes"),
            *_OPENED_PER_HOUR,
            Column("minutes_per_hour", text("minutes per hour"), "rate"),
            *_SEEN,
        ),
        making.vending,
        hours="signs",
    ),
    Question(
        "hot_spots",
        text("Places where cases recur"),
        text(
            "The same kind at the same place again, within so many days after the one before it had ended. Intervals:"
            " Wilson (share), exact Poisson (cases per hour)."
        ),
        (
            _CITY,
            _PLACE,
            _KIND,
            Column("address", text("address"), "text"),
            Column("cases", text("cases"), "count"),
            Column("again", text("recurred"), "count"),
            *_with(
                "again_share",
                text("share that recurred"),
                text("share that recurred, from"),
                text("share that recurred, to"),
                "share",
            ),
            Column("soonest_hours", text("soonest after (h)"), "hours"),
            Column("minutes", text("minutes stood"), "minutes"),
            *_with(
                "cases_per_hour",
                text("cases per hour"),
                text("cases per hour, from"),
                text("cases per hour, to"),
                "rate",
            ),
            *_SEEN,
        ),
        making.hot_spots,
    ),
    Question(
        "night",
        text("Night inspection"),
        text(
            "Nights from 22:00 to 05:00, by the day of the evening, each once it is over: what stood, what came, what was"
            " cleared, and what was left for the morning. The hours able to see are those for which the device gave signs"
            " of life."
        ),
        (
            Column("night", text("night of"), "text"),
            _CITY,
            _KIND,
            _PLACE,
            Column("cases", text("cases standing"), "count"),
            Column("opened", text("opened"), "count"),
            Column("cleared", text("cleared"), "count"),
            Column("left_standing", text("left for the morning"), "count"),
            Column("minutes", text("minutes stood"), "minutes"),
            *_SEEN,
        ),
        making.night,
        hours="nights",
    ),
    Question(
        "daily",
        text("Daily report"),
        text(
            "By local day: what opened and ended, what stood at midnight, and what reviewers found of the day's cases."
        ),
        (
            Column("day", text("day"), "text"),
            _CITY,
            _KIND,
            Column("opened", text("opened"), "count"),
            Column("cleared", text("cleared"), "count"),
            Column("otherwise", text("ended otherwise"), "count"),
            Column("standing", text("standing at midnight"), "count"),
            Column("valid", text("found valid"), "count"),
            Column("false_alarms", text("found false"), "count"),
            Column("duplicates", text("found duplicate"), "count"),
            *_SEEN,
        ),
        making.daily,
    ),
    Question(
        "precision",
        text("Precision by verdict"),
        text(
            "Of the cases that opened in the period, what reviewers found: precision is valid / (valid + false). A"
            " duplicate says nothing of it. Where only some were decided, it is that of the decided ones. Intervals: Wilson."
        ),
        (
            _CITY,
            _KIND,
            Column("device", text("device"), "text"),
            Column("zone_id", text("zone"), "text"),
            _PLACE,
            Column("reported", text("reported"), "count"),
            Column("valid", text("found valid"), "count"),
            Column("false_alarms", text("found false"), "count"),
            Column("duplicates", text("found duplicate"), "count"),
            *_with(
                "precision",
                text("precision"),
                text("precision, from"),
                text("precision, to"),
                "share",
            ),
            Column("judged_share", text("share decided"), "share"),
            *_SEEN,
        ),
        making.precision,
    ),
)
QUESTIONS: dict[str, Question] = {each.name: each for each in _ALL}
"""Name → figure, in the order in which the page shows them."""
