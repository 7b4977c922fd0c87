"""Pictures and records: put together, verified, kept by hash, timestamped, handed over.

What others call is here; how it is done stands in the modules beside. Docs: docs/platform/evidence-desk.md.
"""

from kerbwatch_platform.evidence.files import content
from kerbwatch_platform.evidence.pictures import Picture, Record, picture_of, records_of, shown
from kerbwatch_platform.evidence.pieces import Has, take
from kerbwatch_platform.evidence.records import verify_arrived, verify_rest
from kerbwatch_platform.evidence.wording import words_of

__all__ = [
    "Has",
    "Picture",
    "Record",
    "content",
    "picture_of",
    "records_of",
    "shown",
    "take",
    "verify_arrived",
    "verify_rest",
    "words_of",
]
