"""Every text of the page's own views, by the name under which templates and scripts take it."""

from __future__ import annotations

from wording.messages import said

NOT_FOUND = said("There is nothing here.")
SIGNED_OUT = said("You are not signed in. Sign in again.")
REPLACED = said("Another phone has signed in. This one is signed out.")
BAD_REQUEST = said("The request is not as this page sends it.")
STALE = said("This page is out of date. Load it again.")
OVER = said("The device has been accepted: from here on it is only looked at.")
FAILED = said("The page itself failed at this. The agent goes on watching. Try again.")
_COMMON: dict[str, str] = {
    "sign_in": said("Sign in"),
    "code": said("Code under the lid"),
    "how_to_sign_in": said(
        "Press the button inside the housing, then type the code under the lid within two minutes."
    ),
    "no_code": said("Type the code that stands under the lid."),
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
    "camera": said("Camera"),
    "live_picture": said("What the camera sees now, redacted"),
}
_STATE: dict[str, str] = {
    "device": said("Device"),
    "address": said("Place"),
    "agent": said("Agent"),
    "running": said("running"),
    "platform": said("Platform"),
    "connected": said("connected"),
    "not_connected": said("not connected"),
    "no_platform": said("none configured"),
    "seeded": said("Prepared card"),
    "not_seeded": said("not prepared"),
    "page_on_for": said("Page"),
    "identify": said("Let the device's light flash"),
    "look_at_the_light": said("The device's light flashes."),
    "minutes_left": said("on for {count} min", count="{count}"),
}
MOUNT_WORDS: dict[str, str] = {
    "aim": said("Aim"),
    "focus": said("Focus"),
    "light": said("Light"),
    "show_ghost": said("Lay the commissioning picture over it"),
    "show_seen": said("Draw what is seen, and where it stands"),
    "no_reference": said("no commissioning picture yet"),
    "as_commissioned": said("as commissioned"),
    "moved": said("not as commissioned"),
    "moved_by": said("moved by {share} of the width", share="{share}"),
    "turn_to_the_largest": said("turn the lens until it is largest"),
    "sharp": said("sharp"),
    "blurred": said("blurred: turn the lens"),
    "well_lit": said("well lit"),
    "burnt": said("parts are too bright"),
    "dark": said("too dark"),
} | _STATE
_WALKED: dict[str, str] = {
    "walked": said("Walked through: {zones}", zones="{zones}"),
    "not_walked": said("Not yet: {zones}", zones="{zones}"),
    "between": said("; "),
}
WALK_WORDS: dict[str, str] = {
    "how_to_walk": said(
        "Walk through each zone, and stand in it for some seconds. The point is where a thing stands."
    ),
    "track": said("{name} {number}: {zones}", name="{name}", number="{number}", zones="{zones}"),
    "in_zone": said("in {zone} for {seconds} s", zone="{zone}", seconds="{seconds}"),
    "in_no_zone": said("in no zone"),
    "stands": said(" (standing for {seconds} s)", seconds="{seconds}"),
    "test_case": said("Test case"),
    "what_test_case": said(
        "A case marked as a test goes from here to the platform, and its ticket comes back. Do not go "
        "before it has."
    ),
    "send_test_case": said("Send a test case"),
    "test_stored": said("stored on the device"),
    "test_sent": said("sent"),
    "test_acknowledged": said("taken by the MQTT server"),
    "test_receipted": said("stored by the platform"),
    "test_ticket": said("ticket of the platform"),
    "test_ticket_is": said("ticket {ticket}", ticket="{ticket}"),
    "test_refused": said("The platform refused it."),
    "test_unsent": said(
        'It has waited for a minute and stays queued. The step "Check" says what is wrong with the MQTT server.'
    ),
    "test_unanswered": said(
        "The platform has given no ticket for a minute. You may go on: the acceptance notes it. Have the platform's "
        "people look, and send another one."
    ),
} | _WALKED
CHECK_WORDS: dict[str, str] = {
    "start_check": said("Check the device"),
    "checking": said("Checking. It takes up to four minutes."),
    "all_well": said("All is well."),
    "found": said("{count} findings need a look.", count="{count}"),
    "fixed": said("Done. Checking again."),
    "state_ok": said("in order"),
    "state_note": said("note"),
    "state_warning": said("warning"),
    "state_fault": said("fault"),
    "fix_restart_agent": said("Restart the agent"),
    "fix_install_units": said("Install the units again"),
    "fix_correct_rights": said("Correct the rights of the configuration"),
    "fix_sync_clock": said("Have the network set the time"),
    "fix_take_reference": said("Take the commissioning picture"),
    "certificate": said("Certificate"),
    "what_certificate": said(
        "Without an enrolment server the request travels by this phone: save it, have the authority sign "
        "it, and choose the certificate here. The key stays on the device."
    ),
    "get_request": said("Save the request"),
    "request_saved": said("Saved as {name}.", name="{name}"),
    "certificate_file": said("Certificate from the authority"),
    "authority_file": said("The authority's own certificate, if it came with it"),
    "install_certificate": said("Put it in use"),
    "no_certificate": said(
        "{file} is no certificate in PEM: it begins with BEGIN CERTIFICATE.", file="{file}"
    ),
    "certificate_installed": said("The certificate is in use."),
}
ACCEPT_WORDS: dict[str, str] = {
    **_STATE,
    **_WALKED,
    "commissioning": said("Commissioning picture"),
    "what_commissioning": said(
        "Later pictures are compared with it. It is taken with nobody in it, and tried again until the "
        "street is empty. Step out of the picture."
    ),
    "take_commissioning": said("Take the commissioning picture"),
    "anyway": said("Vehicles park there for good: take it with them in it"),
    "being_taken": said("is being taken …"),
    "taken": said("taken"),
    "record": said("Record"),
    "what_accept": said(
        "The device is checked once more. Checks, zones, walk test and test ticket are recorded, signed by the "
        "device and sent. Your rights here end with it."
    ),
    "checking": CHECK_WORDS["checking"],
    "your_name": said("Your name, for the form alone"),
    "person_id": said("Your id in the register, if you have one; it is sent"),
    "id_is": said("Letters, digits, - and _."),
    "tested": said("A test case was sent; no ticket has come back yet."),
    "tested_ticket": said("The test case came back with ticket {ticket}.", ticket="{ticket}"),
    "not_tested": said("No test case was sent yet: step *Walk test*."),
    "no_name": said("Type your name: it stands on the form."),
    "sign": said("Accept and sign"),
    "form": said("Acceptance form (PDF)"),
    "form_again": said("Make the form again"),
    "stage_none": said("Nobody has accepted it yet."),
    "stage_refused": said("It was not accepted."),
    "stage_provisional": said(
        "Accepted, provisionally: {seen} of {needed} minutes of the first night are seen.",
        seen="{seen}",
        needed="{needed}",
    ),
    "stage_complete": said("Accepted; the first night has passed."),
    "failed_checks": said(
        'These checks failed: {codes}. The step "Check" says what to do; accept again afterwards.',
        codes="{codes}",
    ),
    "page_off": said("Switch the page off"),
    "is_off": said("The page is off. A press of the button switches it on again."),
}
PAGE_WORDS = _COMMON
