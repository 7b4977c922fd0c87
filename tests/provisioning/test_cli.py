"""The command: what it prints, what it returns, and that it never shows a traceback for a fault
that was foreseen."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from agent.protocol import examples, schemas
from agent.protocol.events import Message
from provisioning.commands import demo
from provisioning.console import exit_codes
from provisioning.demo.consumer import Consumer
from provisioning.demo.ground_truth import Problem, Reported, compare
from provisioning.wording.case_sentences import duration, in_words, position
from tests.support import red_bike_model, red_bike_site
from tests.support.command_line import kerbwatch, refused
from tests.support.paths import ROOT
from tests.support.text_files import replace_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    red_bike_model.write_model(folder / "models")
    red_bike_site.write_red_site(folder / "site")
    return folder


@pytest.fixture
def site(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the red street's site, with its model in force."""
    monkeypatch.setenv("KERBWATCH_MODELS", str(street / "models"))
    shutil.copytree(street / "site", tmp_path / "site")
    return tmp_path / "site"


def change(site: Path, old: str, new: str) -> None:
    replace_in(site / "site.toml", old, new)


# --- the command itself


def test_help_needs_nothing_of_the_agent() -> None:
    code = (
        "import sys; from provisioning.cli import main; main(['--help'], standalone_mode=False);"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'pydantic', 'paho', 'agent'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_version_is_that_of_the_installation() -> None:
    assert kerbwatch("--version").stdout.split()[-1] == version("kerbwatch")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["replay"], ["replay", "nowhere"], ["config", "show"]]
)
def test_a_command_called_wrongly_returns_2(arguments: list[str]) -> None:
    assert "Usage:" in refused(kerbwatch(*arguments), 2)


def test_every_foreseen_error_exists_under_its_name() -> None:
    for path, failure in exit_codes.EXPECTED.items():
        module, _, name = path.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        assert issubclass(kind, Exception)
        assert f"{kind.__module__}.{kind.__qualname__}" == path
        assert failure.headline


def test_an_error_that_nobody_foresaw_is_not_hidden() -> None:
    assert exit_codes.expected(ZeroDivisionError()) is None
    assert exit_codes.expected(BrokenPipeError()) is None


# --- config


def test_a_configuration_in_order_is_said_to_be_so(site: Path) -> None:
    result = kerbwatch("config", "validate", site)
    assert result.exit_code == 0
    assert "misparked_bikes" in result.stdout
    document = json.loads(kerbwatch("config", "validate", site, "--json").stdout)
    assert document["valid"] is True
    assert document["sha256"] in result.stdout


def test_orders_go_by_a_clock_that_nobody_vouches_for_only_where_who_gives_them_is_on_this_machine(
    site: Path,
) -> None:
    said = refused(kerbwatch("run", site, "--orders-from-here"), 2)
    assert "uplink.broker must be on this machine" in said
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write('\n[uplink]\nbroker = "mqtts://platform.example"\n')
    said = refused(kerbwatch("run", site, "--orders-from-here"), 2)
    assert "it is mqtts://platform.example" in said


def test_what_can_hardly_be_meant_is_a_warning_that_fails_only_if_asked_to(site: Path) -> None:
    zones = site / "zones.json"
    drawn = json.loads(zones.read_text(encoding="utf-8"))["zones"]
    twice = {**next(each for each in drawn if each["kind"] == "no_parking"), "zone_id": "again"}
    zones.write_text(json.dumps({"zones": [*drawn, twice]}), encoding="utf-8")
    result = kerbwatch("config", "validate", site)
    assert result.exit_code == 0
    assert "(zone 'again'): 100 % of it lies in zone" in result.stdout
    assert "To do:" in result.stdout
    assert "in order" not in result.stdout
    assert kerbwatch("config", "validate", site, "--strict").exit_code == exit_codes.FAULT
    document = json.loads(kerbwatch("config", "validate", site, "--json").stdout)
    assert (document["valid"], len(document["warnings"])) == (True, 1)
    assert document["warnings"][0].keys() == {"what", "meaning", "remedy", "blind"}


def test_what_is_only_missing_for_the_platform_is_noted_and_passes_strictly() -> None:
    street = ROOT / "examples" / "street"
    passed = kerbwatch("config", "validate", street, "--strict")
    assert passed.exit_code == 0
    assert "· not given: the 单元网格 code, from the city's list; zones: pavement" in passed.output
    # What several mean alike is said once.
    assert passed.output.count("Ask the city for it") == 2
    told = json.loads(kerbwatch("config", "validate", street, "--json").output)
    assert told["warnings"] == []
    assert len(told["notes"]) == passed.output.count("· ")


def test_a_faulty_configuration_returns_3_with_every_fault(site: Path) -> None:
    change(site, "video_file", "telescope")
    change(site, "allowed_s = 2", "allowed_s = 0")
    said = refused(kerbwatch("config", "validate", site), exit_codes.REFUSED)
    assert "2 faults" in said
    assert "telescope" in said
    assert "allowed_s" in said
    result = kerbwatch("config", "validate", site, "--json")
    assert result.exit_code == exit_codes.REFUSED
    document = json.loads(result.stdout)
    assert document["valid"] is False
    assert len(document["faults"]) == 2


def test_what_is_shown_is_itself_a_configuration(site: Path, tmp_path: Path) -> None:
    shown = json.loads(kerbwatch("config", "show", site).stdout)
    schema = json.loads(kerbwatch("config", "schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(shown)
    assert shown["uplink"]["window_bytes"] == 32_768, "defaults are shown"


def test_the_example_site_satisfies_the_schema() -> None:
    shown = json.loads(kerbwatch("config", "show", ROOT / "examples" / "street").stdout)
    schema = json.loads(kerbwatch("config", "schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(shown)


# --- models


@pytest.mark.slow
def test_models_are_listed_and_found_intact(site: Path) -> None:
    [row] = [
        row
        for row in json.loads(kerbwatch("models", "list", "--json").stdout)
        if row["name"] == "street"
    ]
    assert row["version"] == "0.0.0"
    assert "street" in kerbwatch("models", "list").stdout
    assert json.loads(kerbwatch("models", "verify", "--json").stdout)["faults"]["street"] == []


@pytest.mark.slow
def test_a_model_that_was_changed_is_found(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(street / "models", tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    with (tmp_path / "models" / "street" / "model.onnx").open("ab") as file:
        file.write(b"x")
    result = kerbwatch("models", "verify")
    assert result.exit_code == exit_codes.FAULT
    assert "sha256: model.onnx has" in result.stderr
    assert "cannot be used" in kerbwatch("models", "list").stdout
    refused(kerbwatch("replay", street / "site"), exit_codes.REFUSED)


# --- replay


def test_a_replay_tells_each_case_and_keeps_what_it_found(site: Path, tmp_path: Path) -> None:
    result = kerbwatch("replay", site, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    opened, cleared = result.stdout.splitlines()[:2]
    assert re.search(r"00:03 +opened +misparked bike.* zone kerb .*standing 2 s", opened)
    assert re.search(r"00:0\d +cleared +misparked bike.* zone kerb .*after 4 s", cleared)
    lines = (tmp_path / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert any((tmp_path / "out" / "evidence").rglob("*.jpg"))


def test_a_replay_for_programs_prints_one_document_and_the_same_one_each_time(site: Path) -> None:
    first, second = (json.loads(kerbwatch("replay", site, "--json").stdout) for _ in range(2))
    assert first["events"] == second["events"]
    assert first["opened_by_kind"] == {"misparked_bike": 1}
    Message.model_validate({"historical": True, "events": first["events"]})


def test_a_replay_can_begin_late_and_end_early(site: Path) -> None:
    document = json.loads(kerbwatch("replay", site, "--json", "--until", "2.5").stdout)
    assert document["events"] == []
    assert document["frames"] == 13
    document = json.loads(kerbwatch("replay", site, "--json", "--from", "6").stdout)
    assert document["events"] == []


def test_a_replay_takes_other_footage_for_a_camera(site: Path, tmp_path: Path) -> None:
    (site / "clip.mp4").rename(tmp_path / "other.mp4")
    said = refused(kerbwatch("replay", site), exit_codes.UNREACHABLE)
    assert "clip.mp4" in said
    result = kerbwatch("replay", site, "--json", "--camera", f"street={tmp_path / 'other.mp4'}")
    assert json.loads(result.stdout)["opened_by_kind"] == {"misparked_bike": 1}


def test_a_live_camera_is_not_replayed(site: Path) -> None:
    change(site, 'path = "clip.mp4"', 'path = "clip.mp4", pace = "real_time"')
    assert "'street' is live" in refused(kerbwatch("replay", site), exit_codes.REFUSED)


@pytest.mark.parametrize(
    ("camera", "fault"),
    [
        ("street", "CAMERA_ID=PATH"),
        ("sky=clip.mp4", "no camera 'sky'; there are: street"),
        ("street=/nowhere.mp4", "nothing at /nowhere.mp4"),
    ],
)
def test_footage_that_cannot_be_meant_is_a_wrong_call(site: Path, camera: str, fault: str) -> None:
    said = refused(kerbwatch("replay", site, "--camera", camera), 2)
    assert fault in " ".join(said.split())


def test_a_folder_that_cannot_be_written_returns_5(site: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(kerbwatch("replay", site, "--out", tmp_path / "file" / "out"), exit_codes.STORAGE)


# --- run


@pytest.mark.slow
def test_a_run_goes_on_until_it_is_told_to_stop_and_ends_well(site: Path, tmp_path: Path) -> None:
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write(f'[storage]\nstate_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n')
    command = [sys.executable, "-m", "provisioning.cli", "run", str(site)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        told = []
        for line in running.stderr:
            told.append(line)
            if "case.cleared misparked_bike in kerb" in line:
                running.send_signal(signal.SIGTERM)
        assert running.wait() == 0, told


def test_a_run_refuses_a_state_folder_that_is_none(site: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write(f'[storage]\nstate_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n')
    refused(kerbwatch("run", site), exit_codes.STORAGE)


# --- demo and its consumer


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with demo.own_broker() as url:
        yield url


def test_the_demo_receives_every_event_and_compares_it_with_what_was_staged(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STREET", site)
    interrupt = signal.getsignal(signal.SIGINT)
    result = kerbwatch("demo", "--fast", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert signal.getsignal(signal.SIGINT) is interrupt, "Ctrl-C works as before"
    assert "1 of 1 staged problems reported; 0 cases that were not staged." in result.stdout
    lines = (tmp_path / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    validator = jsonschema.Draft202012Validator(schemas.schema("event"))
    events = [json.loads(line) for line in lines]
    for event in events:
        validator.validate(event)
    assert {"case.opened", "case.cleared", "device.birth"} <= {event["type"] for event in events}
    assert sorted(event["sequence"] for event in events) == list(range(1, len(events) + 1))


@pytest.mark.slow
def test_a_demo_that_is_interrupted_compares_nothing_and_returns_130(
    site: Path, tmp_path: Path
) -> None:
    change(site, '"clip.mp4"', '"clip.mp4", loop = true')  # it does not end by itself
    code = (
        "from pathlib import Path; from provisioning import cli; from provisioning.commands import demo;"
        f"demo.STREET = Path({str(site)!r}); cli.main(['demo', '--out', {str(tmp_path / 'out')!r}])"
    )
    # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
    command = ["env", "--default-signal=INT", sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = []
        for line in running.stdout:
            told.append(line)
            if "opened" in line:
                running.send_signal(signal.SIGINT)
        assert running.wait() == exit_codes.INTERRUPTED
    assert not any("staged" in line for line in told)


def test_the_demo_leaves_a_folder_alone_that_is_not_empty(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STREET", site)
    said = refused(kerbwatch("demo", "--out", site), 2)
    assert "not empty" in said


def test_a_broker_that_is_not_there_returns_4(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STREET", site)
    url = "mqtt://127.0.0.1:1"  # tcpmux: nobody listens
    said = refused(kerbwatch("demo", "--out", tmp_path / "out", "--broker", url), 4)
    assert url in said


@pytest.mark.parametrize("url", ["http://127.0.0.1", "mqtt://", "broker:1883"])
def test_a_broker_that_cannot_be_meant_is_a_wrong_call(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(demo, "STREET", site)
    assert "mqtt://HOST" in refused(
        kerbwatch("demo", "--out", tmp_path / "out", "--broker", url), 2
    )


def test_the_consumer_keeps_each_event_once_and_nothing_that_breaks_the_contract(
    broker: str, tmp_path: Path
) -> None:
    batch = json.dumps(examples.examples()["message-historical"])
    single = json.dumps(examples.examples()["message-live"])
    unknown = single.replace('"historical"', '"surprise": 1, "historical"')
    told: list[str] = []
    publisher = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    host, port = broker.removeprefix("mqtt://").split(":")
    path = tmp_path / "events.jsonl"
    with Consumer(
        broker,
        "kerbwatch/v2/example-city/example-corner/events",
        path,
        lambda e: told.append(e.type),
    ) as consumer:
        publisher.connect(host, int(port))
        publisher.loop_start()
        for payload in ("{", unknown, single, batch):
            publisher.publish(
                "kerbwatch/v2/example-city/example-corner/events", payload, qos=1
            ).wait_for_publish(10)
        epoch = "0f1e2d3c4b5a6978"
        assert consumer.wait_for(epoch, through=4, unsent={4}, timeout_s=240) == set()
        assert consumer.wait_for(epoch, through=4, unsent=set(), timeout_s=0) == {4}
        publisher.disconnect()
        publisher.loop_stop()
    assert told == ["case.opened", "device.birth", "case.cleared"]
    assert consumer.received.duplicates == 1
    assert consumer.received.refused == len(consumer.received.invalid) == 2
    kept = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [event["type"] for event in kept] == told


def staged(begins_s: float, ends_s: float | None = None, zone_id: str = "kerb") -> Problem:
    return Problem(kind="misparked_bike", zone_id=zone_id, begins_s=begins_s, ends_s=ends_s)


def reported(began_s: float, ended_s: float | None = None, zone_id: str = "kerb") -> Reported:
    return Reported("misparked_bike", zone_id, began_s, ended_s)


def test_a_case_elsewhere_or_at_another_time_does_not_count_as_found() -> None:
    cases = [reported(10, 20, zone_id="bay"), reported(60, 70)]
    outcomes = [verdict.outcome for verdict in compare([staged(10, 20)], cases)]
    assert outcomes == ["not_found", "false_case", "false_case"]


def test_several_staged_problems_of_one_zone_may_be_one_case() -> None:
    verdicts = list(compare([staged(10, 30), staged(12)], [reported(10.5)]))
    assert [verdict.outcome for verdict in verdicts] == ["found", "found"]


def test_no_case_is_ever_left_out_of_the_comparison() -> None:
    verdicts = list(compare([], [reported(1), reported(2)]))
    assert [verdict.case for verdict in verdicts] == [reported(1), reported(2)]


# --- words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7500, "2 h 05 min")],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e6))
def test_a_place_in_footage_reads_as_a_clock(seconds: float) -> None:
    parts = [int(part) for part in position(seconds).split(":")]
    assert all(part < 60 for part in parts[1:])
    total = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    assert abs(total - seconds) <= 0.5


def test_an_event_of_a_device_shows_its_own_clock_or_the_place_in_the_clip() -> None:
    events = Message.model_validate(examples.examples()["message-live"]).events
    assert (in_words(events[0]) or "").startswith("10:03:00  opened")
    began_at = datetime(2026, 1, 1, 2, 0, tzinfo=UTC) - timedelta(seconds=5)
    assert (in_words(events[0], began_at) or "").startswith("03:05  opened")


def test_an_event_about_no_case_says_nothing() -> None:
    document: Any = examples.examples()["message-heartbeat"]
    assert in_words(Message.model_validate(document).events[0]) is None
