"""Writes the form of the acceptance that was recorded: as root, in a process of its own, for the page to offer.

    python -P -m provisioning.page.acceptance_form SITE FOLDER

FOLDER holds ``acceptance.json`` (whose name stands on it, in which language, which test case) and ``check.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agent.config.in_force import look
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.messages.service import AskAcceptance, AskTestCaseState
from drivers.disk import READABLE, replace_file
from provisioning.acceptance.findings import words_of_findings
from provisioning.commands.accept import form_pdf, pictures_of
from provisioning.console.exit_codes import expected, report


def write(site: Path, folder: Path) -> None:
    """Write it beside what it is made of.

    Raises:
        ControlError: The agent does not answer.
        OSError: The files cannot be read or written.
    """
    asked = json.loads((folder / "acceptance.json").read_bytes())
    findings = json.loads((folder / "check.json").read_bytes())["findings"]
    configuration = look(site).configuration
    language = asked["language"]
    with call(site_folder(site) / configuration.storage.run_dir, person="page") as agent:
        recorded, _ = agent.ask(AskAcceptance())
        case_id = asked["case_id"]
        tested = agent.ask(AskTestCaseState(case_id=case_id))[0] if case_id else None
        pictures = pictures_of(agent, configuration)
    words = words_of_findings(findings, language)
    pdf = form_pdf(configuration, recorded, tested, asked["name"], words, pictures, language)
    replace_file(folder / "acceptance.pdf", pdf, mode=READABLE, durable=False)


def main(arguments: list[str]) -> int:
    """Write it, or say why not; gives the exit code."""
    try:
        write(Path(arguments[0]), Path(arguments[1]))
    except Exception as error:
        failure = expected(error)
        if failure is None:
            raise
        report(error, failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
