"""Code that others generate from the contract reads every example, and refuses what is broken."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from agent.protocol import generator, schemas
from agent.protocol.examples import examples
from agent.protocol.topics import CHANNELS
from tests.support import code_generators, compatibility
from tests.support.code_generators import GeneratorError
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CONTRACT = ROOT / "contract"
MADE = [("message", "reader"), ("message", "writer"), ("receipt", "writer"), ("command", "writer")]
MESSAGES = {name: each for name, each in examples().items() if name.startswith("message-")}


def without(document: dict[str, Any], *place: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    target: Any = changed
    for step in place[:-1]:
        target = target[step]
    del target[place[-1]]
    return changed


def broken() -> dict[str, dict[str, Any]]:
    """Messages that no writer may send, each with one thing wrong."""
    live = MESSAGES["message-live"]
    event = live["events"][0]
    wrong = {
        "contract": live | {"contract": "two"},
        "type": live | {"events": [event | {"type": 7}]},
        "state": live | {"events": [event | {"body": event["body"] | {"state": 3}}]},
        "events": live | {"events": event},
    }
    lacks = [("events",), *(("events", 0, name) for name in event)]
    lacks += [("events", 0, "body", name) for name in event["body"]]
    return wrong | {f"no {'.'.join(map(str, at))}": without(live, *at) for at in lacks}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    folder = tmp_path_factory.mktemp("generated")
    found = {}
    for name, side in MADE:
        path = folder / f"generated_{side}_{name}.py"
        code_generators.python_from(CONTRACT / side / f"{name}.schema.json", path)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        found[name, side] = module
    return found


def test_python_of_the_writers_schema_reads_every_example_and_refuses_what_is_broken(
    python: dict[tuple[str, str], Any],
) -> None:
    written = python["message", "writer"].Message
    for document in MESSAGES.values():
        written.model_validate_json(json.dumps(document))
    for what, document in broken().items():
        with pytest.raises(ValidationError):
            pytest.fail(f"{what}: {written.model_validate_json(json.dumps(document))}")
    for name, document in examples().items():
        kind = name.partition("-")[0]
        if (kind, "writer") in python and kind != "message":
            model = getattr(python[kind, "writer"], kind.capitalize())
            model.model_validate_json(json.dumps(document))
            with pytest.raises(ValidationError):
                model.model_validate_json(json.dumps(document | {"of_a_later_version": 1}))


def test_python_of_the_readers_schema_reads_every_version_and_refuses_what_is_broken(
    python: dict[tuple[str, str], Any],
) -> None:
    module = python["message", "reader"]
    for told in compatibility.messages_of().values():
        for document in told.values():
            read = module.Message.model_validate_json(json.dumps(document))
            assert [each.event_id for each in read.events] == [
                each["event_id"] for each in document["events"]
            ]
    for document in MESSAGES.values():
        for event in document["events"]:
            module.KnownEvent.model_validate_json(json.dumps(event))
            for name in (*schemas.ENVELOPE, "body"):
                with pytest.raises(ValidationError):
                    module.KnownEvent.model_validate_json(json.dumps(without(event, name)))
    (event, *_) = MESSAGES["message-live"]["events"]
    for name in schemas.ENVELOPE:
        with pytest.raises(ValidationError):
            module.Event.model_validate_json(json.dumps(without(event, name)))


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    for name, side in MADE:
        schema = CONTRACT / "draft-07" / side / f"{name}.schema.json"
        code_generators.typescript_from(schema, folder / f"{side}_{name}.ts")
    return folder


def test_typescript_takes_every_example_and_refuses_what_is_broken(typescript: Path) -> None:
    lines = ['import { Message, Event, KnownEvent } from "./reader_message";']
    lines += ['import { Message as Written } from "./writer_message";']
    lines += ['import { Receipt } from "./writer_receipt";']
    lines += ['import { Command } from "./writer_command";']
    lines += [
        line for document in MESSAGES.values() for line in accepted(document, "Message", "Written")
    ]
    for version, told in compatibility.messages_of().items():
        if version.startswith("next"):
            lines += [line for each in told.values() for line in accepted(each, "Message")]
    for name, document in examples().items():
        if name.partition("-")[0] in {"receipt", "command"}:
            lines += accepted(document, name.partition("-")[0].capitalize())
    (event, *_) = MESSAGES["message-live"]["events"]
    lines += accepted(event, "Event", "KnownEvent")
    lines += [line for each in broken().values() for line in refused(each, "Written")]
    lines += [line for name in schemas.ENVELOPE for line in refused(without(event, name), "Event")]
    script = typescript / "examples.ts"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code_generators.compiled(script)


def accepted(document: Any, *types: str) -> list[str]:
    text = json.dumps(document, ensure_ascii=False)
    return [f"((told: {each}) => told)({text});" for each in types]


def refused(document: Any, kind: str) -> list[str]:
    """The compiler says if the line below is *not* wrong."""
    return ["// @ts-expect-error", *accepted(document, kind)]


def test_the_compiler_sees_what_is_wrong(typescript: Path) -> None:
    script = typescript / "wrong.ts"
    script.write_text('import { Event } from "./reader_message";\nconst it: Event = {};\n')
    with pytest.raises(GeneratorError, match="missing the following properties"):
        code_generators.compiled(script)


def test_the_asyncapi_document_is_right_by_its_own_parser(tmp_path: Path) -> None:
    each = len(CHANNELS)
    told = code_generators.asyncapi_read(CONTRACT / "asyncapi.json")
    assert told == f"3.0.0 {each} {each}"
    for path, text in generator.files().items():
        if path.startswith("draft-07/"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
    document = generator.asyncapi()
    del document["channels"]["events"]["messages"]
    (tmp_path / "asyncapi.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(GeneratorError, match="operations"):
        code_generators.asyncapi_read(tmp_path / "asyncapi.json")
