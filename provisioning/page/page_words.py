"""Every text of the page's own views, by the name under which templates and scripts take it."""

from __future__ import annotations

from wording.messages import said

NOT_FOUND = said("There is nothing here.")
SIGNED_OUT = said("You are not signed in. Sign in again.")
REPLACED = said("Another phone has signed in. This one is signed out.")
BAD_REQUEST = said("The request is not as this page sends it.")
STALE = said("This page is out of date. Load it again.")
FAILED = said("The page itself failed at this. The agent goes on watching. Try again.")
PAGE_WORDS: dict[str, str] = {
    "sign_in": said("Sign in"),
    "code": said("Code under the lid"),
    "how_to_sign_in": said(
        "Press the button inside the housing, then type the code under the lid within two minutes."
    ),
    "compare": said(
        "The phone has warned of this page, since no authority vouches for it. Compare the certificate's "
        "fingerprint with the label before you type the code."
    ),
    "sign_out": said("Sign out"),
    "steps": said("Steps"),
    "fingerprint": said("Fingerprint of the certificate"),
    "failed": FAILED,
    "mount": said("Mount"),
    "zones": said("Zones"),
    "dry_run": said("Dry run"),
    "walk": said("Walk test"),
    "check": said("Check"),
    "accept": said("Acceptance"),
    "wait": said("Wait {seconds} s.", seconds="{seconds}"),
    "no_connection": said("No connection to the device. Come closer, or join its network again."),
}
