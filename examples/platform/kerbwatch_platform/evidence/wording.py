"""What the codes of evidence mean, in the reader's language."""

from __future__ import annotations

from kerbwatch_platform.words import Language, say, text

WHY: dict[str, str] = {
    # of a record
    "no_key": text("The device's key is not known yet: no birth of it has come."),
    "another_key": text("Signed by another key than the one this device was first known with."),
    "bad_signature": text("The signature does not hold."),
    "contradicts": text(
        "What is signed says something else than its event, or is of another device."
    ),
    "unreadable": text("What is signed cannot be read."),
    "chain_broken": text("It does not follow the record before it in the device's chain."),
    # of a picture
    "not_named": text("No manifest names this picture yet."),
    "content_lost": text("It was here, and its file is gone or changed."),
    "no_jpeg": text("It is no picture of the kind that devices send."),
    "too_large": text("It has more picture elements than any camera of ours."),
    "too_many_scans": text("It is made to keep whoever opens it busy."),
    "damaged": text("It cannot be read to its end."),
    # why a device has no copy that may leave it (docs/evidence-and-law.md)
    "model_refused": text("The device could not look for people and plates in it."),
    "no_background": text("The device had no picture of the empty street to compare it with."),
    "view_moved": text("The camera's view had moved."),
    "masks_not_applied": text("Its masks were not those of the site."),
    "context_missing": text("What was to be hidden in it is not known any more."),
    "picture_damaged": text("The picture is damaged on the device."),
}


def words_of(language: Language, code: str | None) -> str:
    """What a code says to a person; one that is new here stands for itself."""
    if code is None:
        return ""
    return say(language, WHY[code]) if code in WHY else code
