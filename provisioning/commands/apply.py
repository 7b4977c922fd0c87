"""``kerbwatch apply``: hands a site's files to the running agent, on trial."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.config.site_texts import SiteTexts
from agent.control.client import call
from agent.control.errors import AgentSilentError, RefusedError
from agent.control.messages.configuration import (
    AskApply,
    AskCheck,
    AskConfiguration,
    AskConfirm,
    AskRevert,
)
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.wording import in_words, say, say_many
from provisioning.wording.vocabulary import known_in_words
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path

    from agent.control.messages.configuration import (
        ApplyReply,
        CheckReply,
        ConfigurationReply,
        Fault,
        ThingChange,
    )

ANSWERS_WITHIN_S = 120.0
COMES_BACK_WITHIN_S = 180.0
"""An agent that restarts loads its networks first."""
_THINGS = {
    "camera": said("camera"),
    "zone": said("zone"),
    "operator": said("operator"),
    "scenario": said("scenario"),
}


def apply(site: Path, *, confirm_within_s: float, yes: bool, as_json: bool) -> int:
    """Apply a site's files to the running agent, on trial.

    Args:
        site: The site whose files are proposed.
        confirm_within_s: The agent goes back by itself after so long without a confirmation.
        yes: Ask nothing, and leave it on trial.
        as_json: Print what would change and what was done as JSON; asks nothing.

    Returns:
        0 if it is in force or on trial, 1 if it is not.

    Raises:
        ConfigError: The files are refused; with every fault.
        AgentSilentError: No agent runs.
        RefusedError: The agent refused.
    """
    configuration = load(site)  # every fault is said before the agent is bothered
    run_dir, texts = site_folder(site) / configuration.storage.run_dir, SiteTexts.of(site)
    timezone = configuration.site.timezone
    with call(run_dir) as agent:
        found, _ = agent.ask(AskCheck(site=texts.site, zones=texts.zones), ANSWERS_WITHIN_S)
        if found.faults:
            raise RefusedError("invalid", "\n".join(each.text.text for each in found.faults))
        if not found.settings:
            return _nothing(as_json=as_json)
        if not as_json:
            _show(found)
        if not (yes or as_json) and not click.confirm(say("Apply it?"), default=False):
            return FAULT
        asked = AskApply(site=texts.site, zones=texts.zones, confirm_within_s=confirm_within_s)
        done, _ = agent.ask(asked, ANSWERS_WITHIN_S)
    if done.restarts:
        _await_return(run_dir, done)
    if as_json:
        told = {"number": done.number, "confirm_by": done.confirm_by.isoformat()}
        click.echo(json.dumps(told | found.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return 0
    by = local(done.confirm_by, timezone)
    click.echo(
        say(
            "Configuration {number} is on trial. Without a confirmation the agent goes back to the "
            "one before at {by}.",
            number=done.number,
            by=by,
        )
    )
    if yes:
        click.echo(say("To keep it: `kerbwatch apply {site} --confirm`", site=site))
        return 0
    keep = click.confirm(say("Look at it (`kerbwatch watch`). Keep it?"), default=False)
    return confirm(site) if keep else revert(site)


def confirm(site: Path) -> int:
    """Keep the configuration that is on trial.

    Raises:
        ConfigError: The site cannot be read, so the agent is not found.
        AgentSilentError: No agent runs.
        RefusedError: It was not on trial any more.
    """
    with call(_run_dir(site)) as agent:
        number = _on_trial(agent.ask(AskConfiguration())[0])
        done, _ = agent.ask(AskConfirm(number=number), ANSWERS_WITHIN_S)
    click.echo(say("Configuration {number} is in force.", number=number))
    if done.withdrawn:
        click.echo(
            say_many(
                "{count} case of a place that is watched no more was withdrawn.",
                "{count} cases of places that are watched no more were withdrawn.",
                done.withdrawn,
            )
        )
    return 0


def revert(site: Path) -> int:
    """Go back to the configuration before the one that is on trial; raises as :func:`confirm`."""
    with call(_run_dir(site)) as agent:
        number = _on_trial(agent.ask(AskConfiguration())[0])
        done, _ = agent.ask(AskRevert(number=number), ANSWERS_WITHIN_S)
    click.echo(say("Configuration {number} is not in force any more.", number=number))
    if done.restarts:
        click.echo(say("The agent restarts for it."))
    return 0


def _run_dir(site: Path) -> Path:
    return site_folder(site) / load(site).storage.run_dir


def _on_trial(told: ConfigurationReply) -> int:
    if told.trial is None:
        raise RefusedError("not_on_trial", said("no configuration is on trial"))
    return told.trial.number


def _nothing(*, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"number": None, "settings": []}))
    else:
        click.echo(say("This is what is in force already."))
    return 0


def _await_return(run_dir: Path, done: ApplyReply) -> None:
    """Wait until the agent has come up again with what is on trial.

    Raises:
        RefusedError: It came up with another one.
        AgentSilentError: It did not come up.
    """
    click.echo(say("The agent restarts for it …"), err=True)
    until_s = time.monotonic() + COMES_BACK_WITHIN_S
    while True:
        try:
            with call(run_dir) as agent:
                told = agent.ask(AskConfiguration())[0]
        except AgentSilentError:
            if time.monotonic() > until_s:
                raise
            continue
        if told.trial is not None and told.number == done.number:
            return
        if time.monotonic() > until_s:
            text = said("configuration {number} did not come up", number=done.number)
            raise RefusedError("not_taken", text)
        time.sleep(1.0)  # it answers still, and has not ended yet


def _show(found: CheckReply) -> None:
    """What would change."""
    for thing in found.things:
        click.echo(f"  {_of_thing(thing)}")
    for row in found.settings:
        click.echo(f"  {row.at}: {row.was or '–'} → {row.now or '–'}")
    for remark in found.remarks:
        click.echo(say("  remark: {remark}", remark=_of_remark(remark)))
    for case in found.cases:
        click.echo(
            say(
                "  open case {case_id} in {zone} ends as withdrawn once this is confirmed",
                case_id=case.case_id,
                zone=case.zone_id,
            )
        )
    if found.restart:
        click.echo(say("  the agent restarts for: {sections}", sections=found.restart))


def _of_thing(thing: ThingChange) -> str:
    kind, _, happened = thing.what.partition(".")
    name = known_in_words(_THINGS, kind)
    if happened == "added":
        return say("new: {kind} {name}", kind=name, name=thing.names["name"])
    if happened == "removed":
        return say("gone: {kind} {name}", kind=name, name=thing.names["name"])
    return say("renamed: {kind} {was} → {now}", kind=name, **thing.names)


def _of_remark(remark: Fault) -> str:
    text = in_words(remark.text.said())
    return text if remark.zone_id is None else f"{remark.zone_id}.{remark.key}: {text}"
