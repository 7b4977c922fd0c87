"""Every text of the zones' page, by the name under which its scripts take it.

A fact stands in a text as itself (``corner="{corner}"``): the script fills it in.
"""

from __future__ import annotations

from wording.messages import said

_TOOLS: dict[str, str] = {
    "tools": said("Tools"),
    "picture": said("The camera's picture"),
    "undo": said("Undo"),
    "redo": said("Redo"),
    "zoom_in": said("Closer"),
    "zoom_out": said("Further away"),
    "whole_picture": said("The whole picture"),
    "new_picture": said("Take a new picture"),
    "snap": said("Let corners snap to other zones"),
    "cancel": said("Cancel"),
    "done": said("Done"),
    "comma": said(", "),
    "seconds": said("{count} s", count="{count}"),
    "minutes": said("{count} min", count="{count}"),
    "hours": said("{count} h", count="{count}"),
    "no_link": said("No link to the unit. What you draw is kept on this phone."),
    "refused": said("The unit refused (HTTP {status}).", status="{status}"),
    "picture_being_made": said("The picture is being made …"),
    "no_picture": said("There is no picture: {why}", why="{why}"),
    "draft_saving": said("saving …"),
    "draft_saved": said("draft saved"),
    "draft_restored": said("draft restored"),
    "draft_waiting": said("on this phone only"),
    "draft_conflict": said("two drafts"),
    "conflict": said("Two drafts"),
    "conflict_text": said(
        "Another phone has changed the draft on the unit meanwhile. Only one of the two can stay."
    ),
    "keep_mine": said("Keep what is on this phone"),
    "take_theirs": said("Take what is on the unit"),
}

_LIST: dict[str, str] = {
    "add_zone": said("Add a zone"),
    "nothing_drawn": said("No zone is drawn on this picture yet."),
    "on_other_cameras": said("{count} on other cameras", count="{count}"),
    "not_checked": said("The agent could not check the zones: {why}", why="{why}"),
    "next_dry_run": said("Next: what would it have given?"),
    "discard": said("Discard the draft"),
    "as_applied": said("These are the zones that the unit goes by."),
}

_DRAWING: dict[str, str] = {
    "which_kind": said("Which kind?"),
    "which_shape": said("From which shape?"),
    "shape_free": said("Tap the corners"),
    "shape_quadrilateral": said("Quadrilateral"),
    "shape_band": said("Band along the kerb"),
    "shape_box": said("Box (bin)"),
    "no_scenario": said(
        "No scenario is configured that judges {kind}: such a zone reports nothing until one is.",
        kind="{kind}",
    ),
    "too_many": said("A site has {count} zones at most.", count="{count}"),
    "tap_corners": said(
        "Tap the corners in order around the ground. Hold the finger still to aim with the magnifier."
    ),
    "tap_first_to_close": said("Tap the first corner, or Close."),
    "close_outline": said("Close ({count} corners)", count="{count}"),
    "take_back": said("Take back"),
    "tap_on_picture": said("That is beside the picture. Tap on the picture."),
    "corner_added": said("Corner {count} is set.", count="{count}"),
    "three_corners": said("A zone needs three corners at least."),
    "zone_added": said("Zone {zone} is drawn. Drag its corners into place.", zone="{zone}"),
    "zone_deleted": said("Zone {zone} is deleted. Undo brings it back.", zone="{zone}"),
    "corners_of": said("Corners of {zone}", zone="{zone}"),
    "whole_zone": said("Move {zone} as a whole", zone="{zone}"),
    "corner": said("Corner {corner}", corner="{corner}"),
    "corner_at": said(
        "Corner {corner} of {count}, {x} % from the left, {y} % from the top",
        corner="{corner}",
        count="{count}",
        x="{x}",
        y="{y}",
    ),
    "handle_help": said(
        "Arrow keys move it by 0.2 %, with Shift by 2 %. Delete removes it, Insert adds a corner behind it."
    ),
    "choose_corner": said("Drag a corner; hold an edge to insert one, a corner to delete it."),
    "insert_corner": said("Insert corner"),
    "delete_corner": said("Delete corner"),
    "corner_inserted": said("Corner {corner} is inserted.", corner="{corner}"),
    "corner_deleted": said("Corner {corner} is deleted. Undo brings it back.", corner="{corner}"),
    "last_three": said("A zone keeps three corners at least. Delete the whole zone instead."),
    "held_at_edge": said("The corner stays at the edge of the picture."),
    "in_order": said("The outline is in order."),
    "fault_crossing": said(
        "Edges {first} and {second} cross: give the corners in order around the ground.",
        first="{first}",
        second="{second}",
    ),
    "fault_tiny": said("The zone is too small to hold anything: draw it larger."),
    "fault_outside": said(
        "Corner {corner} lies outside the picture: drag it onto it.", corner="{corner}"
    ),
}

_KINDS: dict[str, str] = {
    "kind_no_parking": said("No parking"),
    "says_no_parking": said(
        "On the ground where bikes may not stand. A bike whose foot stands in it longer than allowed is reported."
    ),
    "kind_bay": said("Bay"),
    "says_bay": said(
        "On the ground, around the lawful bay, inside or beside a no-parking zone. Bikes in it are in order."
    ),
    "kind_no_vending": said("No vending"),
    "says_no_vending": said(
        "On the ground where nobody may sell. A stall that stays longer than allowed is reported."
    ),
    "kind_bin": said("Bin"),
    "says_bin": said(
        "Closely around one container and what may lie beside it. It is reported while it overflows."
    ),
    "kind_no_dumping": said("No dumping"),
    "says_no_dumping": said(
        "On the ground where nothing may lie about. Leave flower beds, building sites and loading places out."
    ),
    "kind_shop_front": said("Shop front"),
    "says_shop_front": said(
        "On the ground before a shop that nothing may be put out on. It needs the verifier."
    ),
    "kind_mask": said("Mask"),
    "says_mask": said(
        "Over private windows and what must not be looked at. Nothing in it is judged."
    ),
}

_DID: dict[str, str] = {
    "undone": said("Undone: {what}", what="{what}"),
    "redone": said("Done again: {what}", what="{what}"),
    "did_draw": said("zone drawn"),
    "did_move_corner": said("corner moved"),
    "did_move_zone": said("zone moved"),
    "did_insert": said("corner inserted"),
    "did_delete_corner": said("corner deleted"),
    "did_delete_zone": said("zone deleted"),
    "did_describe": said("zone described"),
    "did_copy": said("zones copied"),
    "did_reanchor": said("zones anchored again"),
    "did_discard": said("draft discarded"),
}

_DETAILS: dict[str, str] = {
    "name_zh": said("Name (Chinese)"),
    "name_en": said("Name (English)"),
    "kind": said("Kind"),
    "allowed_s": said("May stay for (seconds)"),
    "allowed_wrong": said("A number of seconds, 1 or more: it stays as it was."),
    "as_site": said("as for the site: {value}", value="{value}"),
    "in_force": said("When the rule holds"),
    "in_force_none": said("Always."),
    "permitted": said("When it is suspended (market hours)"),
    "permitted_none": said("Never."),
    "add_hours": said("Add hours"),
    "remove_hours": said("Remove these hours"),
    "days": said("Days"),
    "day_1": said("Mo"),
    "day_2": said("Tu"),
    "day_3": said("We"),
    "day_4": said("Th"),
    "day_5": said("Fr"),
    "day_6": said("Sa"),
    "day_7": said("Su"),
    "from": said("from"),
    "to": said("to"),
    "over_midnight": said("It ends on the next day."),
    "responsible_unit": said("Responsible unit"),
    "road_class": said("Road class"),
    "zone_code": said("Reported under code"),
    "code_none": said("The scenario's own"),
    "zone_id": said("Id of the zone: {zone}", zone="{zone}"),
    "delete_zone": said("Delete zone"),
}

_COPY: dict[str, str] = {
    "copy": said("Copy"),
    "copy_title": said("Zones from elsewhere"),
    "copy_hint": said(
        "From the zones.json of a sister unit or of an old site. They are laid over the picture as a proposal;"
        " nothing is taken over until you accept it."
    ),
    "copy_choose": said("Choose a zones.json"),
    "copy_camera": said("From camera {camera}", camera="{camera}"),
    "copy_no_json": said("{file} is no JSON file.", file="{file}"),
    "copy_no_zones": said('{file} has no list "zones": it is no zones.json.', file="{file}"),
    "copy_empty": said("{file} holds no zone.", file="{file}"),
    "copy_not_drawn": said(
        "{file}: a zone in it has no kind, no id or no outline of three corners.", file="{file}"
    ),
    "copy_large": said("{file} is larger than 1 MB: it is no zones.json.", file="{file}"),
    "copy_unknown_kinds": said("This unit knows none of the kinds of zones in it."),
    "left_out_kinds": said(
        "Left out, of a kind that this unit does not know: {count}", count="{count}"
    ),
    "reanchor": said("Anchor this camera's zones again"),
    "reanchor_hint": said("After the camera was turned or moved: fit all zones at once."),
    "laying_hint": said(
        "A proposal: drag the four squares until the outlines lie on the same ground. One finger in the frame"
        " moves all of it."
    ),
    "laying_folded": said("The frame is folded: drag its squares apart."),
    "laying_lost": said("Beside the picture, left out: {zones}", zones="{zones}"),
    "laying_cut": said("Cut off at the picture's edge: {zones}", zones="{zones}"),
    "laying_unsure": said(
        "Carried on from where the pictures agree, look closely: {zones}", zones="{zones}"
    ),
    "keep_facts": said("Same ground: keep unit, road class, codes and coordinates"),
    "by_pictures": said("Fit by the reference image"),
    "certainty": said(
        "Fitted by the reference image, {percent} % sure. Look at each zone.", percent="{percent}"
    ),
    "ghost": said("Reference image on top"),
    "mirror": said("Mirror"),
    "accept_zones": said("Accept ({count})", count="{count}"),
    "refuse": said("Refuse"),
    "zones_copied": said(
        "Copied into the draft: {count}. Check each one on this picture.", count="{count}"
    ),
    "zones_reanchored": said(
        "Anchored again: {count}. Check each one on this picture.", count="{count}"
    ),
}

_WHAT_IF: dict[str, str] = {
    "what_if": said("What would it have given?"),
    "dry_run_hint": said(
        "The draft is tried on what the unit has seen: recent frames and stored tracks. Nothing is reported."
    ),
    "how_long": said("Over how many hours"),
    "dry_run_start": said("Try it"),
    "dry_run_stale": said("The zones have been changed since: try again."),
    "dry_run_failed": said("It could not be tried: {why}", why="{why}"),
    "dry_run_count": said(
        "cases with the draft, {now} with today's zones", then="{then}", now="{now}"
    ),
    "differences": said("Difference to today"),
    "no_differences": said("No case would have been another."),
    "change_appears": said("New:"),
    "change_goes": said("Gone:"),
    "change_changes": said("Changed:"),
    "cases_then": said("Cases with the draft"),
    "no_cases": said("None."),
    "near_misses": said("Near misses"),
    "no_near": said("Nothing came close."),
    "still_open": said("still open"),
    "unverified": said("The verifier would have been asked; nobody knows what it would have said."),
    "from_what": said("From what"),
    "source": said(
        "{camera_id}: {hours} h, {frames} frames",
        camera_id="{camera_id}",
        hours="{hours}",
        frames="{frames}",
    ),
    "seldom_looked_at": said(
        "{zone} was looked at in {percent} % of the time only.", zone="{zone}", percent="{percent}"
    ),
    "case_misparked_bike": said("Misparked bike"),
    "case_street_vending": said("Street vending"),
    "case_overflowing_bin": said("Overflowing bin"),
    "case_exposed_rubbish": said("Exposed rubbish"),
    "case_shop_overflow": said("Shop goods outside"),
    "next_apply": said("Next: apply"),
    "back_to_zones": said("Back to the zones"),
}

_APPLY: dict[str, str] = {
    "apply": said("Apply"),
    "apply_hint": said(
        "The unit takes the zones over at once, and goes back by itself unless you confirm within 300 s."
    ),
    "outdated": said(
        "The unit has got other zones since this draft was begun: what is listed here undoes them, too."
    ),
    "not_tried": said("This draft has not been tried on the last hours."),
    "apply_now": said("Apply now"),
    "differs_new": said("New: {zone}", zone="{zone}"),
    "differs_gone": said("Gone: {zone}", zone="{zone}"),
    "cases_end": said(
        "Open cases that would end as withdrawn in {zone}: {count}", zone="{zone}", count="{count}"
    ),
    "differs_changed": said("Changed: {zone}", zone="{zone}"),
    "differs_nothing": said("Nothing: the draft is what the unit goes by."),
    "trial_title": said("Configuration {number} is on trial", number="{number}"),
    "trial_hint": said(
        "Look at the picture and at the unit. Without a confirmation it goes back to the zones of before."
    ),
    "trial_no_link": said(
        "No link to the unit. If the time runs out before you are back, it goes back by itself; the draft is kept."
    ),
    "confirm": said("Keep it"),
    "revert": said("Back to the zones of before"),
    "confirmed": said("Configuration {number} holds.", number="{number}"),
    "reverted": said(
        "The unit has gone back to the zones of before. Your draft is kept: nothing that you drew is lost."
    ),
}

ZONE_WORDS: dict[str, str] = {
    **_TOOLS,
    **_LIST,
    **_DRAWING,
    **_KINDS,
    **_DID,
    **_DETAILS,
    **_COPY,
    **_WHAT_IF,
    **_APPLY,
}
