"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioning.console.help_format import speak_as_read
from provisioning.wording import say

if TYPE_CHECKING:
    from collections.abc import Callable

speak_as_read()  # click's own words are chosen when arguments are made
SITE = click.argument("site", metavar=say("SITE"), type=click.Path(exists=True, path_type=Path))
FOLDER = click.Path(file_okay=False, path_type=Path)


def json_option(text: str) -> Callable[[Any], Any]:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)
