"""Redacted pictures, and the whole of a case for the police."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from kerbwatch_platform.evidence import shown
from kerbwatch_platform.evidence.handover import (
    LARGEST_FILE,
    MOST_BYTES,
    MOST_FILES,
    TooMuchError,
)
from kerbwatch_platform.evidence.handover import handover as packed
from kerbwatch_platform.web.file_answer import file_answer, kept_aside
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.web.views.case import NO_CASE, case_of
from kerbwatch_platform.words import one_line, text

if TYPE_CHECKING:
    from starlette.requests import Request

NO_PICTURE = text("This picture is not here, or is none that may be shown.")
NO_REASON = text(
    "Say to whom the case is handed over and what for, in 1 to 500 characters: it stands in the sealed list."
)
TOO_MUCH = text(
    "This case has more than one sealed zip may hold: {files} files and {megabytes} MB. A zip holds {most_files} files, "
    "{most_megabytes} MB in all and {most_of_one} MB in one file. Nothing was handed over. Have a technician export the "
    "case’s packet at the device instead."
)


@page(role=Role.VIEWER)
def picture(desk: Desk, request: Request) -> Response:
    """A redacted picture by its hash."""
    try:
        with desk.connection() as connection:
            content = shown(connection, desk.settings, request.path_params["sha256"])
    except (LookupError, ValueError) as error:
        raise RefusedError(404, NO_PICTURE) from error
    return Response(content, media_type="image/jpeg")


@page(role=Role.REVIEWER)
def handover(desk: Desk, request: Request) -> Response:
    """The zip that goes to the police; it is recorded before it is given away."""
    of, reason = case_of(request), desk.form(request).get("reason", "").strip()
    desk.note(request, detail=one_line(f"handover: {reason}"))
    if not reason:
        raise RefusedError(400, NO_REASON)
    by, file = desk.account(request).name, kept_aside(desk)
    with ExitStack() as unless_given:
        unless_given.callback(file.close)
        try:
            with desk.connection() as connection:
                packed(connection, desk.settings, *of, by, reason, file)
        except LookupError as error:
            raise RefusedError(404, NO_CASE) from error
        except ValueError as error:
            raise RefusedError(400, NO_REASON) from error
        except TooMuchError as error:
            megabytes = -(-error.size_bytes // 1_000_000)
            raise RefusedError(
                413,
                TOO_MUCH,
                files=error.files,
                megabytes=megabytes,
                most_files=MOST_FILES,
                most_megabytes=MOST_BYTES // 1_000_000,
                most_of_one=LARGEST_FILE // 1_000_000,
            ) from error
        unless_given.pop_all()
    safe = "".join(each if each.isalnum() and each.isascii() else "-" for each in of.case_id)
    return file_answer(file, f"{safe}.zip", "application/zip")


ROUTES = [
    Route("/evidence/{sha256}", picture),
    Route("/handover/{tenant}/{device}/{case_id}.zip", handover, methods=["POST"]),
]
