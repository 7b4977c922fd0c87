"""The command ``apply``: a configuration is checked in full, kept, and put on trial by who can do that."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from agent.config.faults import ConfigError
from agent.config.ordered import (
    OrderedConfiguration,
    keep_ordered,
    ordered,
    protected_changes,
)
from agent.config.site_texts import SiteTexts
from agent.delivery.commands.table import Change, Done, SignedHandler
from agent.protocol.commands import Apply, Refusal
from agent.protocol.signed import JwsError, decoded
from agent.storage.state_table import load_state, save_state
from drivers.files.small_files import UnreadableError, text_in

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.identity.authorities import Signature
    from agent.storage.database import Database

_NUMBER = "configuration.ordered_number"


class Trials(Protocol):
    """Puts what the platform has ordered on trial."""

    def is_free(self) -> bool:
        """Whether no other configuration is on trial."""

    def put_on_trial(self, texts: SiteTexts, number: int, key: str) -> str:
        """Put one on trial that is kept already, and say in a sentence what will come of it.

        Args:
            texts: Both files.
            number: The platform's.
            key: Who signed it.

        Raises:
            NotTakenError: It is not on trial.
        """


class NotTakenError(Exception):
    """The agent cannot go by a configuration."""


class ConfigurationCommand:
    """Keeps a configuration that the platform orders, if it may be applied. For the uplink's thread.

    Its number is kept in the database and in a file beside it: whichever of the two is set back, the other one knows.

    Args:
        configuration: The present one.
        state_dir: Where it is kept.
        database: Where its number is kept as well.
        trials: Puts it on trial; None: nobody can, and it is only kept.
    """

    def __init__(
        self,
        configuration: Configuration,
        state_dir: Path,
        database: Database,
        trials: Trials | None = None,
    ) -> None:
        self.configuration, self._state_dir, self._database = configuration, state_dir, database
        self._trials = trials

    @property
    def handler(self) -> SignedHandler[Apply]:
        """For the table of commands."""
        return SignedHandler(Apply, self._obey)

    def _obey(self, command: Apply, signature: Signature) -> Done:
        self._refuse_old(command.number, signature.jws)
        texts = self._refuse_wrong(command)
        if self._trials is not None and not self._trials.is_free():
            raise Refusal("on_trial", "a configuration is on trial already", field="number")
        keep_ordered(
            self._state_dir,
            OrderedConfiguration(
                number=command.number,
                jws=signature.jws,
                key=signature.kid,
                order=command.command_id,
            ),
        )
        self._database.write(
            lambda connection: save_state(connection, _NUMBER, str(command.number))
        ).result()
        change = Change("configuration.ordered", {"number": command.number})
        if self._trials is None:
            reason = f"kept as number {command.number}; it is not applied here"
            return Done(reason=reason, change=change)
        try:
            told = self._trials.put_on_trial(texts, command.number, signature.kid)
        except NotTakenError as error:
            refusal = Refusal("invalid_configuration", f"the agent does not go by it: {error}")
            return Done(change=change, refusal=refusal)
        return Done(reason=told, change=change)

    def _refuse_old(self, number: int, jws: str) -> None:
        """Refuse a number that was there; the very order that is kept goes on where the disk failed over it."""
        kept = ordered(self._state_dir)
        with closing(self._database.read()) as connection:
            noted = load_state(connection, _NUMBER) or ""
        present = max(0 if kept is None else kept.number, int(noted) if noted.isdigit() else 0)
        goes_on = kept is not None and (kept.number, kept.jws) == (number, jws)
        if number < present or (number == present and not goes_on):
            raise Refusal(
                "number_too_low",
                f"number {present} is there already",
                field="number",
                least=present + 1,
            )

    def _refuse_wrong(self, command: Apply) -> SiteTexts:
        """Both files as texts, if they may be applied."""
        try:
            texts = SiteTexts(text_in(decoded(command.site)), text_in(decoded(command.zones)))
            then = texts.read()
        except UnreadableError as error:
            raise Refusal("invalid_configuration", f"site or zones: {error}") from error
        except JwsError as error:
            raise Refusal("invalid_configuration", f"site or zones: {error}") from error
        except ConfigError as error:
            first = error.faults[0] if error.faults else str(error)
            reason = f"{len(error.faults)} faults, the first: {first}"
            raise Refusal("invalid_configuration", reason) from error
        if changed := protected_changes(self.configuration, then):
            names = ", ".join(changed)
            reason = f"only a technician may change, at the device: {names}"
            raise Refusal("protected_setting", reason, field=changed[0], one_of=changed)
        return texts
