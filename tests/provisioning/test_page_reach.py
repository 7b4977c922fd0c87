"""How the page is reached: over a cable between two network namespaces, and by root's fixed list of verbs."""

from __future__ import annotations

import configparser
import json
import os
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.disk import replace_file
from drivers.files.requests import RefusedError, take
from provisioning.page import access_point, root_verbs
from provisioning.page.access_point import profile
from provisioning.page.probes import PROBE_NAMES
from provisioning.page.reach import wired
from provisioning.page.root_verbs import AGENT, PAGE, VERBS, Requester, serve
from provisioning.page.setup import CABLE_ADDRESS, POINT_ADDRESS
from tests.support.command_line import kerbwatch
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are root's")


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two machines and a cable between them: the device and a laptop."""
    names = f"kwd{os.getpid() % 10000}", f"kwl{os.getpid() % 10000}"
    for name in names:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    device, laptop = names
    run(
        "ip",
        "-n",
        device,
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        laptop,
    )
    run("ip", "-n", laptop, "link", "set", "eth0", "up")
    yield device, laptop
    for name in names:
        run("ip", "netns", "delete", name, check=False)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


ASK_FOR_LEASE = textwrap.dedent(
    """
    import os, socket, struct
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    line.bind(("", 68))
    line.settimeout(2)
    mac, number = bytes.fromhex("020000000001"), os.urandom(4)
    ask = struct.pack("!4B4sHH16s16s64s128s", 1, 1, 6, 0, number, 0, 0x8000, b"", mac, b"", b"")
    ask += bytes.fromhex("63825363 350101 3703010306 ff")
    for _ in range(20):
        try:
            line.sendto(ask, ("255.255.255.255", 67))
            told = line.recv(2048)
        except OSError:
            continue
        if told[4:8] == number:
            print(socket.inet_ntoa(told[16:20]), told[240:].hex())
            break
    """
)


def query(name: str) -> bytes:
    """A question for an address (RFC 1035)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


@as_root
@pytest.mark.slow
def test_a_laptop_gets_an_address_no_way_out_and_only_the_probes_names(
    cable: tuple[str, str], tmp_path: Path
) -> None:
    device, laptop = cable
    reach = [sys.executable, "-P", "-m", "provisioning.page.reach"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    Path("/run/kerbwatch-reach").mkdir(exist_ok=True)
    subprocess.run(inside(device, *reach, "up", "eth0"), check=True, env=environment)
    assert CABLE_ADDRESS in run(*inside(device, "ip", "-4", "-o", "address", "show", "eth0"))
    leases = subprocess.Popen(inside(device, *reach, "leases"), env=environment)
    try:
        told = run(*inside(laptop, sys.executable, "-c", ASK_FOR_LEASE))
        address, options = told.split()
        assert address.startswith("10.73.85.")
        given = parsed(bytes.fromhex(options))
        assert 3 not in given, "a way out"
        assert socket.inet_ntoa(given[6]) == CABLE_ADDRESS
        run("ip", "-n", laptop, "address", "add", f"{address}/24", "dev", "eth0")
        ask = (
            "import socket, sys; line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
            "line.settimeout(20); line.sendto(bytes.fromhex(sys.argv[1]), ('10.73.85.1', 53));"
            "print(line.recv(2048).hex())"
        )
        for name in PROBE_NAMES:
            answer = bytes.fromhex(
                run(*inside(laptop, sys.executable, "-c", ask, query(name).hex()))
            )
            assert answer[-4:] == socket.inet_aton(POINT_ADDRESS)
        other = bytes.fromhex(
            run(*inside(laptop, sys.executable, "-c", ask, query("example.org").hex()))
        )
        assert other[3] & 0x0F != 0, "refused, or not found"
        assert struct.unpack("!H", other[6:8]) == (0,)
    finally:
        leases.terminate()
        leases.wait(PATIENCE_S)
    subprocess.run(inside(device, *reach, "down"), check=True, env=environment)
    assert CABLE_ADDRESS not in run(*inside(device, "ip", "-4", "-o", "address", "show"))


def parsed(options: bytes) -> dict[int, bytes]:
    """The options of a lease (RFC 2132)."""
    found: dict[int, bytes] = {}
    while options and options[0] != 255:
        found[options[0]] = options[2 : 2 + options[1]]
        options = options[2 + options[1] :]
    return found


SERVE = textwrap.dedent(
    """
    import socket, sys
    from pathlib import Path
    from provisioning.page.code import keep
    from provisioning.page.server import run
    from provisioning.page.setup import Setup
    folder = Path(sys.argv[1])
    sockets = []
    for port in (443, 80):
        each = socket.socket()
        each.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND, as kerbwatch-page.socket has it
        each.bind(("10.73.85.1", port))
        each.listen()
        sockets.append(each)
    print("listening", flush=True)
    run(Setup(folder / "page", folder / "run", folder / "agent", folder / "root"), sockets)
    """
)
PHONE = textwrap.dedent(
    """
    import http.client, ssl, time
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for line, path in (
        (http.client.HTTPSConnection("10.73.85.1", context=context, timeout=60), "/"),
        (http.client.HTTPConnection("10.73.85.1", timeout=60), "/generate_204"),
        (http.client.HTTPConnection("10.73.85.1", timeout=60), "/hotspot-detect.html"),
        (http.client.HTTPConnection("10.73.85.1", timeout=60), "/"),
    ):
        for _ in range(600):
            try:
                line.request("GET", path)
                break
            except ConnectionError:
                line.close()
                time.sleep(0.1)
        answer = line.getresponse()
        print(answer.status, len(answer.read()), answer.getheader("location"))
    """
)


@as_root
@pytest.mark.slow
def test_the_page_is_there_at_the_end_of_the_cable_and_probes_are_answered(
    cable: tuple[str, str], tmp_path: Path
) -> None:
    device, laptop = cable
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run("ip", "-n", laptop, "address", "add", "10.73.85.20/24", "dev", "eth0")
    page = subprocess.Popen(
        inside(device, sys.executable, "-P", "-c", SERVE, str(tmp_path)),
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert page.stdout is not None
        assert page.stdout.readline() == b"listening\n", "before the cable has its address"
        reach = inside(device, sys.executable, "-P", "-m", "provisioning.page.reach", "up", "eth0")
        subprocess.run(reach, check=True, env=environment)
        rows = run(*inside(laptop, sys.executable, "-c", PHONE)).splitlines()
    finally:
        page.terminate()
        page.communicate(timeout=60)
    assert [row.split()[0] for row in rows] == ["200", "204", "200", "404"]
    assert all(row.endswith("None") for row in rows), "no redirect: no captive portal"


def interface(
    folder: Path, name: str, *, kind: int = 1, radio: bool = False, board: bool = True
) -> None:
    """One as the kernel shows it."""
    path = folder / "class" / name
    path.mkdir(parents=True)
    (path / "type").write_text(f"{kind}\n")
    (path / "carrier").write_text("1\n")
    if radio:
        (path / "phy80211").mkdir()
    if board:
        (path / "device").mkdir()


@pytest.mark.parametrize(("way", "expected"), [("wwan0", "eth0"), ("eth0", None)])
def test_a_wire_that_is_the_devices_own_way_out_is_left_alone(
    tmp_path: Path, way: str, expected: str | None
) -> None:
    """No leases into the city's network."""
    interface(tmp_path, "eth0")
    interface(tmp_path, "wlan0", radio=True)
    interface(tmp_path, "docker0", board=False)
    interface(tmp_path, "lo", kind=772, board=False)
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    row = f"{way}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "route").write_text(head + row)
    assert wired(tmp_path / "class", tmp_path / "proc") == expected


def test_the_access_point_routes_nothing_and_is_off_at_the_start() -> None:
    """Static: there is no radio here."""
    told = configparser.ConfigParser()
    told.read_string(profile("kerbwatch-0ACA", access_point.new_password()))
    assert told["connection"]["autoconnect"] == "false"
    assert told["wifi"]["mode"] == "ap"
    assert told["wifi-security"]["key-mgmt"] == "wpa-psk"
    assert told["ipv4"]["method"] == "manual", (
        "shared would give the phone the device's mobile data"
    )
    assert told["ipv4"]["address1"] == f"{POINT_ADDRESS}/24"
    assert told["ipv6"]["method"] == "disabled"
    assert 8 <= len(told["wifi-security"]["psk"]) <= 63


def test_each_device_has_a_password_of_its_own() -> None:
    assert len({access_point.new_password() for _ in range(100)}) == 100


@as_root
def test_the_code_is_printed_once_and_the_profile_is_roots_alone(tmp_path: Path) -> None:
    told = json.loads(kerbwatch("page", "code", "--json", "--root", str(tmp_path)).stdout)
    path = tmp_path / access_point.PROFILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"psk={told['access_point_password']}\n" in path.read_text()
    shown = json.loads(kerbwatch("page", "identity", "--json", "--root", str(tmp_path)).stdout)
    assert shown.keys() & {"code", "access_point_password"} == set()
    assert shown["page_fingerprint"] == told["page_fingerprint"]
    again = json.loads(kerbwatch("page", "code", "--json", "--root", str(tmp_path)).stdout)
    assert again["code"] != told["code"]
    assert again["page_fingerprint"] == told["page_fingerprint"], "the label outside stays right"


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run of the system's programs, where no systemd runs."""
    commands: list[list[str]] = []

    def ran(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", ran)
    return commands


def leave(folder: Path, requester: Requester, told: object) -> Requester:
    here = Requester(folder / "page-run" / "admin", requester.verbs)
    content = told if isinstance(told, str) else json.dumps(told)
    replace_file(here.folder / "request.json", content)
    return here


def test_the_button_switches_the_page_on_for_an_hour_and_counts_as_a_press(
    tmp_path: Path, done: list[list[str]]
) -> None:
    serve(leave(tmp_path, AGENT, {"version": 1, "verb": "page_on"}), tmp_path / "root")
    pressed = float((tmp_path / "root" / "pressed").read_text())
    until = float((tmp_path / "root" / "until").read_text())
    assert until - pressed == pytest.approx(3600)
    assert [
        "/usr/bin/systemctl",
        "start",
        "kerbwatch-page.socket",
        "kerbwatch-page.service",
    ] in done
    [timer] = [each for each in done if each[0].endswith("systemd-run")]
    assert "--on-active=60min" in timer
    assert "--unit=kerbwatch-page-end.service" in timer


def test_the_page_can_neither_press_the_button_nor_stay_on(
    tmp_path: Path, done: list[list[str]]
) -> None:
    here = leave(tmp_path, PAGE, {"version": 1, "id": "0" * 16, "verb": "page_on"})
    serve(here, tmp_path / "root")
    assert done == []
    assert not (tmp_path / "root" / "pressed").exists()
    told = json.loads((tmp_path / "root" / "page-run" / "done.json").read_text())
    assert "may not ask" in told["fault"]


def test_the_agent_asks_for_nothing_but_the_page(tmp_path: Path, done: list[list[str]]) -> None:
    for verb in sorted(set(VERBS) - {"page_on"}):
        serve(leave(tmp_path, AGENT, {"version": 1, "verb": verb}), tmp_path / "root")
    assert done == []


@pytest.mark.parametrize(
    "told",
    [
        "",
        "{",
        "[]",
        {"version": 2, "verb": "check"},
        {"version": True, "verb": "check"},
        {"version": 1, "verb": "rm -rf /"},
        {"version": 1, "verb": ["check"]},
        {"version": 1, "verb": "check", "id": "../../etc/passwd"},
        {"version": 1, "verb": "check", "id": 5},
        {"version": 1, "verb": "identity_install"},
        {"version": 1, "verb": "identity_install", "certificate": "--help"},
        {"version": 1, "verb": "identity_install", "certificate": "x" * 70_000},
    ],
)
def test_what_is_no_request_of_the_list_does_nothing(
    tmp_path: Path, done: list[list[str]], told: object
) -> None:
    serve(leave(tmp_path, PAGE, told), tmp_path / "root")
    assert done == []
    assert not list(tmp_path.rglob("request.json"))


@given(
    st.dictionaries(
        st.sampled_from(["version", "verb", "id", "certificate", "x"]),
        st.one_of(st.integers(), st.text(max_size=40), st.none(), st.just(1), st.just("check")),
    )
)
def test_no_request_asks_for_more_than_its_user_may(told: dict[str, object]) -> None:
    try:
        _, verb = root_verbs._checked(dict(told), AGENT.verbs)
    except RefusedError:
        return
    assert verb == "page_on"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_request_that_is_no_file_is_removed_and_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "request.json"
    if kind == "link":
        (tmp_path / "secret").write_text('{"version": 1}')
        path.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises((RefusedError, OSError)):
        take(path)


@pytest.mark.parametrize("language", ["zh_CN", "en", None, "--property=User=root"])
def test_what_a_command_says_of_its_failure_is_told_in_the_askers_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str | None
) -> None:
    """A number of an exit code helps nobody on a ladder."""
    commands: list[list[str]] = []

    def failed(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        told = "kerbwatch: 身份没有改变。\n  证书属于\x1b[31m别的设备\n"
        return subprocess.CompletedProcess(command, 1, stderr=told.encode())

    monkeypatch.setattr(subprocess, "run", failed)
    asked = {"version": 1, "verb": "identity_request", "language": language}
    serve(leave(tmp_path, PAGE, asked), tmp_path / "root")
    [command] = commands
    settings = [each for each in command if each.startswith("--setenv=")]
    wanted = language if language == "zh_CN" else "en"
    assert settings == [f"--setenv=KERBWATCH_LANGUAGE={wanted}"]
    told = json.loads((tmp_path / "root" / "page-run" / "done.json").read_text())
    assert told["fault"] == r"kerbwatch: 身份没有改变。 证书属于\x1b[31m别的设备"


def test_a_disk_of_roots_that_takes_nothing_is_told_and_not_waited_for(tmp_path: Path) -> None:
    here = leave(tmp_path, AGENT, {"version": 1, "id": "0" * 16, "verb": "page_on"})
    root_dir = tmp_path / "root"
    (root_dir / "pressed").mkdir(parents=True)  # nothing can be written there
    serve(here, root_dir)
    told = json.loads((root_dir / "page-run" / "done.json").read_text())
    assert told["fault"] == "Is a directory"


def test_every_verb_of_the_lists_is_there_and_no_other() -> None:
    assert AGENT.verbs | PAGE.verbs == set(VERBS)
    assert AGENT.verbs & PAGE.verbs == set()
