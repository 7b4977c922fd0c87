"""Keys under a name that they no longer have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark
from agent.config.renamed_keys import RENAMED
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Say which keys stand in the site under an old name."""
    for place in configuration.old_keys:
        new = RENAMED[place]
        yield Remark(
            said(
                "{where}: {message}",
                where=".".join(place),
                message=said("this key is called {new} now", new=new),
            ),
            said("It is read as {new}.", new=new),
            said("Rename it to {new}: a later version may refuse the old name.", new=new),
        )
