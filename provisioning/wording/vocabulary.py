"""The words for people of every identifier that the commands print: kinds, labels, states, stages, measures."""

from __future__ import annotations

from collections.abc import Mapping

from agent import scenarios
from provisioning.wording import in_words, say_many
from provisioning.wording.labels import LABEL_WORDS, LabelWords
from provisioning.wording.recovered import recovered
from wording.messages import said

CANDIDATE_WORDS: dict[str, str] = {
    "stall": said("stall"),
    "shop_goods": said("goods before a shop"),
    "two_wheelers": said("parked two-wheelers"),
    "rubbish": said("rubbish"),
    "bin": said("bin"),
    "people": said("people only"),
    "vehicle": said("vehicle"),
    "nothing": said("nothing"),
}
"""What the verifier may say of a candidate; one row for each of ``CANDIDATE_KINDS``."""
MEMBER_WORDS: dict[str, LabelWords] = {
    "shop_goods": LabelWords(
        lambda n: say_many("{count} lot of shop goods", "{count} lots of shop goods", n),
        said("shop goods"),
    ),
}
"""What no detector names and cases are made of all the same."""

REASONS = {
    "good": said("good"),
    "view_dark": said("dark"),
    "view_over_exposed": said("over-exposed"),
    "view_blocked": said("blocked or dirty"),
    "view_moved": said("moved"),
    "view_out_of_focus": said("out of focus"),
    "view_frozen": said("frozen"),
    "camera_lost": said("no frames from the camera"),
    "camera_hangs": said("the camera hangs"),
}
"""What may be the matter with a view; every :data:`agent.protocol.base.Blindness` and ``good``."""

STAGES = {
    "view": said("view check"),
    "looking": said("detection, inference included"),
    "tracking": said("tracking"),
    "novelty": said("background model"),
    "judging": said("judging"),
    "noting": said("noting"),
    "recording": said("recording"),
}
"""The stages of a frame, as :meth:`agent.analysis.camera_pipeline.Pipeline.timed` is given them."""

CAMERA_STATES = {
    "opening": said("opening"),
    "running": said("running"),
    "ended": said("ended"),
    "left out: it hangs": said("left out: it hangs"),
}
"""What :attr:`agent.capture.camera_reader.CameraActivity.state` says, errors apart."""

ROLES = {
    "begin": said("begin"),
    "threshold": said("threshold"),
    "close_up": said("close-up"),
    "plate_view": said("plate"),
    "after": said("after"),
}
"""What a case's pictures show; every :data:`agent.evidence.pictures.Role`, in the order of its life."""

PICTURE_FAULTS = {
    "cut": said("cut by the picture's edge"),
    "dark": said("dark"),
    "hidden": said("hidden by people or vehicles"),
    "small": said("small"),
    "no_ten_seconds": said("begin and threshold less than 10 s apart"),
    "below_720p": said("below 1280 × 720"),
}
"""What a picture of a case cannot show; every :data:`agent.domain.picture.PictureFault`."""

WITHDRAWALS = {
    "zone_gone": said("its zone is drawn no more"),
    "zone_changed": said("its place is no longer judged by the same rule"),
    "unit_moved": said("the unit or its camera was moved"),
    "scenario_off": said("its scenario is off"),
    "judged_false": said("a reviewer found it to be a false alarm"),
}
"""Why a case ended unseen; every :data:`agent.domain.scene.Withdrawal`."""

VERDICTS = {
    "valid": said("valid"),
    "false": said("false alarm"),
    "duplicate": said("duplicate"),
}
"""What a reviewer may find; every :data:`agent.protocol.case.Finding`."""

LEGAL_FACTS = {
    "legal_review_no": said("legal review"),
    "tech_review_no": said("technical review"),
    "sign_installed": said("sign"),
    "location_published": said("published location"),
}
"""What the law asks of a site; every :data:`agent.protocol.case.LegalFact`."""

CAUSES = {
    "first": said("for the first time"),
    "planned": said("after a planned stop"),
    "camera_hang": said("because a camera hung"),
    "uplink_stuck": said("because the uplink was stuck"),
    "disk_back": said("because the disk took writes again"),
    "fault": said("after a fault of the program"),
    "killed": said("after being killed"),
    "power_cut": said("after a power cut"),
}
"""Why a run began, as :class:`agent.runtime.recovery.Recovery` counts it."""

UNIT_STATES = {
    "active": said("active"),
    "inactive": said("inactive"),
    "failed": said("failed"),
    "activating": said("starting"),
    "deactivating": said("stopping"),
    "reloading": said("reloading"),
    "running": said("running"),
    "dead": said("stopped"),
    "waiting": said("waiting"),
    "exited": said("finished"),
    "start": said("starting"),
    "auto-restart": said("waiting to restart"),
}
"""systemd's ActiveState and SubState, those that our units have; the others are shown as systemd calls them."""

CASE_STAGES = {
    "opened": said("case opened"),
    "cleared": said("case cleared"),
    "withdrawn": said("case withdrawn"),
}
"""At which a case is packed."""
WHY_DELETED = {
    "age": said("retention period over"),
    "room": said("no more room"),
    "missing": said("not there any more, nobody noted why"),
}
"""Why a case's pictures are not there any more."""
RECORDS = {
    "evidence.exported": said("packet exported"),
    "agent.started": said("agent started"),
    "agent.changed": said("version changed"),
    "configuration.changed": said("configuration changed"),
    "model.changed": said("model changed"),
    "key.changed": said("signing key changed"),
    "certificate.changed": said("certificate changed"),
    "clock.changed": said("clock set"),
    "camera.added": said("camera added"),
    "camera.removed": said("camera removed"),
    "camera.renamed": said("camera renamed"),
    "zone.added": said("zone added"),
    "zone.removed": said("zone removed"),
    "zone.renamed": said("zone renamed"),
    "operator.added": said("operator added"),
    "operator.removed": said("operator removed"),
    "operator.renamed": said("operator renamed"),
    "scenario.added": said("scenario added"),
    "scenario.removed": said("scenario removed"),
    "commissioning.stored": said("reference image stored"),
    "pictures.taken_along": said("pictures copied away"),
    "pictures.looked_at": said("pictures viewed"),
    "pictures.deleted": said("pictures deleted"),
    "hold.set": said("hold set"),
    "hold.lifted": said("hold lifted"),
    "case.ticketed": said("ticket number told"),
    "case.judged": said("verdict told"),
    "snapshot.asked": said("snapshot asked for"),
    "picture.asked": said("picture asked for"),
    "configuration.ordered": said("configuration ordered"),
    "orders.recorded": said("platform log recorded"),
    "audit.torn_record_cut_off": said("torn record cut off"),
    "audit.oldest_let_go": said("oldest records deleted"),
    "device.decommissioned": said("device wiped"),
}
"""The kinds of records in the audit log."""

AUTHORS = {"agent": said("agent"), "platform": said("platform")}
"""Who did what a record or a hold is about; commands with their users stand as they are."""

STATE = {
    "keys": said("keys"),
    "secrets of the configuration": said("secrets of the configuration"),
    "page": said("the page: code, certificate, access point"),
    "network": said("password of the network"),
    "evidence": said("case pictures"),
    "collection": said("collected crops"),
    "commissioning": said("reference images"),
    "holds": said("legal holds"),
    "audit": said("audit log"),
    "quarantine": said("damaged databases"),
    "kerbwatch": said("database"),
    "recovery": said("recovery record"),
    "last-good-configuration": said("last valid configuration"),
    "configuration": said("applied configurations"),
}
"""What lies in the state folder, as ``kerbwatch decommission`` groups it."""

CERTIFICATE_STATES = {
    "valid": said("valid"),
    "expired": said("expired"),
    "revoked": said("revoked"),
}
"""States of a certificate in the register of an authority."""

FLEET_STATES = {
    "stock": said("in stock"),
    "active": said("at work"),
    "decommissioned": said("decommissioned"),
}
"""States of a unit in the inventory."""

ACCEPTED = {
    "accepted": said("accepted"),
    "accepted_with_remarks": said("with remarks"),
    "refused": said("not accepted"),
}
"""What taking a unit over came to."""


def known_in_words(words: Mapping[str, str], identifier: str) -> str:
    """What a table has for an identifier, in the reader's language; a text of ours translated, another as it is."""
    return in_words(words.get(identifier) or recovered(identifier))


def reason_in_words(reason: str) -> str:
    """Why a zone cannot be seen, in the reader's language."""
    return known_in_words(REASONS, reason)


def candidate_in_words(kind: str) -> str:
    """What the verifier saw a candidate as."""
    return known_in_words(CANDIDATE_WORDS, kind)


def kind_in_words(kind: str, count: int = 1) -> str:
    """A case's kind for people; a kind without words is shown as it is on the wire."""
    scenario = scenarios.scenario_of(kind)
    return in_words(scenario.called(count)) if scenario else kind.replace("_", " ")


def measure_in_words(name: str) -> str:
    """A measure of a rule for people; one without words is shown as it is."""
    words = _measure(name)
    return name if words is None else in_words(words.in_full)


def column_in_words(name: str) -> str:
    """The same at the head of a column."""
    words = _measure(name)
    return name if words is None else in_words(words.column)


def _measure(name: str) -> scenarios.MeasureWords | None:
    told = (scenarios.load_scenario(each).MEASURES for each in scenarios.scenario_names())
    return next((words[name] for words in told if name in words), None)


def label_in_words(label: str, count: int) -> str:
    """A number of things of one label: ``1 bike``, ``3 bikes``."""
    words = LABEL_WORDS.get(label) or MEMBER_WORDS.get(label)
    return words.counted(count) if words else f"{count} {label}".strip()


def things_in_words(label: str) -> str:
    """All things of one label: ``bikes``."""
    words = LABEL_WORDS.get(label) or MEMBER_WORDS.get(label)
    return in_words(words.all_of_them if words else label)
