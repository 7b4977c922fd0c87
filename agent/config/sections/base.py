"""What all sections share, and the types of their names and texts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from agent.protocol.fields import is_readable, on_one_line
from wording.messages import said


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys refused, numbers finite.

    What was given is not in the text of an error, for addresses hold passwords; where it may be
    shown, :mod:`wording.validation` does so.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


def _topic_level(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError(said("1 to 64 of A-Z a-z 0-9 _ - (it is a level of an MQTT topic)"))
    return value


Name = Annotated[str, AfterValidator(_topic_level)]


UNSEEN = said("it contains an invisible character: type the text again")


def _for_people(value: str) -> str:
    value = on_one_line(value)
    if not is_readable(value):
        raise ValueError(UNSEEN)
    return value


ForPeople = AfterValidator(_for_people)
"""What people read; line ends become blanks."""
