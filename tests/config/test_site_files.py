"""What people write into site.toml and zones.json: taken where it is clear, and else said in words."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.broker_address import checked, host_and_port
from agent.config.faults import ConfigError
from agent.config.loading import load
from agent.config.site_files import FileError, read_json, read_toml
from tests.support.command_line import kerbwatch
from wording.lookalikes import lookalikes

SITE = """[site]
tenant = "city"
device_id = "d"
address = "示例"
[[cameras]]
camera_id = "street"
driver = "synthetic"
[uplink]
broker = "mqtts://broker.example"
"""
ZONES = """{"zones": [{
  "zone_id": "kerb", "camera_id": "street", "kind": "no_parking",
  "polygon": [[0.1, 0.6], [0.9, 0.6], [0.9, 0.9]],
  "in_force": [{"from": "07:00", "to": "22:00"}]
}]}
"""

CLEAR: dict[str, tuple[bytes, bytes]] = {
    "as it should be": (SITE.encode(), ZONES.encode()),
    "a mark at the beginning": (b"\xef\xbb\xbf" + SITE.encode(), b"\xef\xbb\xbf" + ZONES.encode()),
    "from Windows": (SITE.replace("\n", "\r\n").encode(), ZONES.replace("\n", "\r\n").encode()),
    "with tabs": (SITE.replace(" = ", "\t=\t").encode(), ZONES.replace("  ", "\t").encode()),
    "full-width in texts and comments": (
        SITE.replace('"示例"', '"示例路“东”，１号"  # 地址＝“示例”').encode(),
        ZONES.encode(),
    ),
    "a slash at the end, a scheme in capitals": (
        SITE.replace("mqtts://broker.example", "MQTTS://broker.example:8883/").encode(),
        ZONES.encode(),
    ),
}


def changed(text: str, old: str, new: str) -> bytes:
    assert old in text
    return text.replace(old, new).encode()


WRONG: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "UTF-16": ("site.toml", SITE.encode("utf-16"), ("saved as UTF-16",)),
    "UTF-16 without a mark": ("zones.json", ZONES.encode("utf-16-le"), ("saved as UTF-16",)),
    "GBK": ("site.toml", SITE.encode("gbk"), ("line 4", "probably GBK")),
    "no encoding at all": ("site.toml", b"[site]\nx = '\xff\xff'", ("line 2 is not UTF-8",)),
    "full-width quotes": (
        "site.toml",
        changed(SITE, '"city"', "“city”"),
        ("line 2, column 10: “ is", "line 2, column 15: ” is"),
    ),
    "a full-width equals sign": (
        "site.toml",
        changed(SITE, "device_id =", "device_id ＝"),
        ("line 3, column 11: ＝", "plain ="),
    ),
    "full-width marks in JSON": (
        "zones.json",
        changed(ZONES, '"kind": "no_parking",', '“kind”： "no_parking"，'),
        ("“", "”", "：", "，"),
    ),
    "a blank that is none": ("site.toml", changed(SITE, "tenant =", "tenant\u00a0="), ("U+00A0",)),
    "what nobody sees": ("site.toml", changed(SITE, "tenant", "\u200btenant"), ("U+200B",)),
    "a text without quotes": ("site.toml", changed(SITE, '"city"', "city"), ("quotation marks",)),
    "Python's true": (
        "site.toml",
        (SITE + "pack_backlog = True\n").encode(),
        ("lower case",),
    ),
    "a path of Windows": (
        "site.toml",
        (SITE + 'ca_file = "C:\\certs\\ca.crt"\n').encode(),
        ("line 10", "written twice"),
    ),
    "a key twice in TOML": ("site.toml", changed(SITE, "device_id", "tenant"), ("line 3",)),
    "a table twice in TOML": (
        "site.toml",
        (SITE + "[site]\n").encode(),
        ("'site' is given twice",),
    ),
    "a control character": ("site.toml", changed(SITE, "city", "ci\0ty"), ("'\\x00' may not",)),
    "a number without end": ("zones.json", changed(ZONES, "0.6", "9" * 5000), ("4300 digits",)),
    "a key twice in JSON": (
        "zones.json",
        changed(ZONES, '"kind":', '"kind": "bay", "kind":'),
        ("zones.kerb.kind: given twice",),
    ),
    "keys twice at several places": (
        "zones.json",
        ZONES.replace('{"zones"', '{"zones": [], "zones"')
        .replace('"from":', '"from": "06:00", "from":')
        .encode(),
        ("zones.json: zones: given twice", "zones.kerb.in_force.0.from: given twice"),
    ),
    "a comment with //": ("zones.json", ("// x\n" + ZONES).encode(), ("no comments",)),
    "a comment with /*": (
        "zones.json",
        changed(ZONES, '"kind"', '/* x */ "kind"'),
        ("no comments",),
    ),
    "a comma before }": (
        "zones.json",
        changed(ZONES, "}]\n}]", "}],\n}]"),
        ("a comma stands before a closing bracket",),
    ),
    "a comma before ]": (
        "zones.json",
        changed(ZONES, "[0.9, 0.9]]", "[0.9, 0.9],]"),
        ("a comma stands before a closing bracket",),
    ),
    "single quotes": ("zones.json", ZONES.replace('"', "'").encode(), ("double quotation marks",)),
    "nothing": ("zones.json", b"", ('{"zones": []}',)),
    "not a number": (
        "zones.json",
        changed(ZONES, "0.6", "NaN"),
        ("zones.0.polygon.0.1 (zone 'kerb')", "finite"),
    ),
    "infinity": ("zones.json", changed(ZONES, "0.6", "1e999"), ("finite",)),
    "a list": ("zones.json", b"[]", ("must be",)),
}


def write(folder: Path, site: bytes, zones: bytes) -> Path:
    (folder / "site.toml").write_bytes(site)
    (folder / "zones.json").write_bytes(zones)
    return folder


def validated(folder: Path, language: str) -> tuple[int, str]:
    ran = kerbwatch("config", "validate", folder, language=language)
    return ran.exit_code, ran.output


@pytest.mark.parametrize("texts", CLEAR.values(), ids=CLEAR)
def test_what_is_clear_is_taken(tmp_path: Path, texts: tuple[bytes, bytes]) -> None:
    loaded = load(write(tmp_path, *texts))
    assert [zone.zone_id for zone in loaded.zones] == ["kerb"]
    assert host_and_port(loaded.uplink.broker or "") == ("broker.example", 8883)


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_both_languages(
    tmp_path: Path, case: tuple[str, bytes, tuple[str, ...]]
) -> None:
    file, content, told = case
    write(tmp_path, SITE.encode(), ZONES.encode())
    (tmp_path / file).write_bytes(content)
    code, english = validated(tmp_path, "en")
    assert code == 3
    assert file in english or "zones.0" in english
    for each in told:
        assert each in english
    code, chinese = validated(tmp_path, "zh_CN")
    assert code == 3
    shown = chinese.replace(str(tmp_path), "")
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", shown), shown


def test_both_files_are_read_before_anything_is_said(tmp_path: Path) -> None:
    write(tmp_path, b"x = ", b"{")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["site.toml", "zones.json"]


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**10)


def test_a_key_twice_hides_no_other_fault(tmp_path: Path) -> None:
    zones = ZONES.replace('"kind":', '"kind": "bay", "kind":').replace("0.6", "1.6")
    write(tmp_path, SITE.replace("mqtts://", "ssl://").encode(), zones.encode())
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    told = "\n".join(caught.value.faults)
    assert "zones.kerb.kind: given twice" in told
    assert "outside the frame" in told
    assert "ssl:// is called mqtts://" in told


INSTEAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "a pipe": (os.mkfifo, "a pipe or a device"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "a huge file": (_huge, "it is larger than"),
}


@pytest.mark.parametrize("file", ["site.toml", "zones.json"])
@pytest.mark.parametrize("case", INSTEAD.values(), ids=INSTEAD)
def test_what_is_no_file_holds_nobody_up(
    tmp_path: Path, file: str, case: tuple[Callable[[Path], object], str]
) -> None:
    make, told = case
    write(tmp_path, SITE.encode(), ZONES.encode())
    (tmp_path / file).unlink()
    make(tmp_path / file)
    code, shown = validated(tmp_path, "en")
    assert code == 3
    assert f"{file}: " in shown
    assert told in shown


ADDRESSES = {
    "mqtts://h": ("h", 8883),
    "mqtt://h": ("h", 1883),
    "MQTTS://h:1/": ("h", 1),
    "mqtts://[2001:db8::1]": ("2001:db8::1", 8883),
    "mqtts://[::1]:18883": ("::1", 18883),
    "mqtts://192.0.2.1:8883": ("192.0.2.1", 8883),
    "mqtts://服务器.example": ("服务器.example", 8883),
    "mqtts://broker_1.local.": ("broker_1.local.", 8883),
}
NO_ADDRESSES = {
    "ssl://h:8883": "ssl:// is called mqtts:// here",
    "tls://h": "tls:// is called mqtts:// here",
    "tcp://h:1883": "tcp:// is called mqtt:// here",
    "ws://h/mqtt": "WebSocket",
    "wss://h": "WebSocket",
    "https://h": "WebSocket",
    "mqtts://u:geheim@h": "must not contain a user or a password",
    "mqtts://u:ge/he@im@h:8883/": "must not contain a user or a password",
    "mqtts://h/topic": "nothing may follow the port",
    "mqtts://h?x=1": "nothing may follow the port",
    "mqtts://h//": "nothing may follow the port",
    "mqtts://": "give mqtt://HOST",
    "mqtts://:8883": "give mqtt://HOST",
    "": "give mqtt://HOST",
    "h:8883": "give mqtt://HOST",
    "mqtts:/h": "give mqtt://HOST",
    "mqttss://h": "give mqtt://HOST",
    "mqtts://h:0": "from 1 to 65535",
    "mqtts://h:65536": "from 1 to 65535",
    "mqtts://h:-1": "from 1 to 65535",
    "mqtts://h:8x": "from 1 to 65535",
    "mqtts://2001:db8::1": "in brackets",
    "mqtts://::1:8883": "in brackets",
    "mqtts://[::1": "in brackets",
    "mqtts://[h]": "no host name and no address",
    "mqtts://192.0.2.300": "no host name and no address",
    "mqtts://a..b": "no host name and no address",
    "mqtts://${BROKER}": "no host name and no address",
    "mqtts：//h": "： is a full-width",
    "mqtts://h：8883": "： is a full-width",
    "mqtts://h:８８８３": "８ is a full-width",
    "mqtts://h。cn": "。 is a full-width",
    " mqtts://h": "must not contain blanks",
    "mqtts://h :8883": "must not contain blanks",
    "mqtts://h\u200b": "U+200B",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_brokers_address_is_taken_as_it_is_meant(address: str) -> None:
    assert host_and_port(checked(address)) == ADDRESSES[address]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_wrong_with_a_brokers_address_is_said(tmp_path: Path, address: str) -> None:
    site = SITE.replace("mqtts://broker.example", address)
    write(tmp_path, site.encode(), ZONES.encode())
    code, shown = validated(tmp_path, "en")
    assert code == 3
    assert "uplink.broker: " in shown
    assert NO_ADDRESSES[address] in shown
    assert "geheim" not in shown
    assert "ge/he" not in shown
    shown = validated(tmp_path, "zh_CN")[1]
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", shown), shown


@given(st.text())
def test_an_address_is_right_or_wrong_and_never_breaks(address: str) -> None:
    try:
        found = host_and_port(checked(address))
    except ValueError as error:
        found, told = None, error
    if found is None:
        assert type(told) is ValueError
        assert str(told)
    else:
        assert found[0]
        assert 1 <= found[1] <= 65_535


@given(st.binary() | st.text().map(lambda text: text.encode(errors="replace")))
def test_any_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_toml, read_json):
        document, faults = None, tuple[str, ...]()
        try:
            document = read(path)
        except FileError as error:
            faults = error.faults
        assert isinstance(document, dict) or faults
        assert all(fault.startswith("any: ") for fault in faults)


_JSON = st.recursive(
    st.integers() | st.text() | st.none(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _JSON, min_size=1, max_size=4), st.data())
def test_a_key_that_is_given_twice_is_always_found(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, object], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "twice.json"
    text = json.dumps(table)
    path.write_text(text, encoding="utf-8")
    assert read_json(path) == table
    key = data.draw(st.sampled_from(sorted(table)))
    path.write_text(f"{text[:-1]}, {json.dumps(key)}: 1}}", encoding="utf-8")
    with pytest.raises(FileError, match="given twice"):
        read_json(path)


def test_marks_inside_quoted_texts_and_comments_are_nobodys_business() -> None:
    assert [*lookalikes('a = "，“”"  # ＝\nb = ’x’')] != []
    assert [(each.line, each.column) for each in lookalikes('a = "，“”"  # ＝\nb ＝ 1')] == [(2, 3)]
