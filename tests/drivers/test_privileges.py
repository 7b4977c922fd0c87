"""Root's commands in a folder that is another's: nothing of root's is reached from there, whatever lies in it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.config import last_known_good
from agent.config.loading import load
from drivers.clock import SystemClock
from drivers.files import privileges, wiping
from drivers.files.privileges import acting_for, keeper_of, open_folder, read_file
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can be led astray in another's folder"
)
NOBODY = pwd.getpwnam("nobody")
SECRET = "root's own, and nobody else's"
COMMANDS = (
    "check SITE",
    "commission SITE",
    "commission SITE --show",
    "retention SITE",
    "hold set SITE CASE --reason r",
    "hold list SITE",
    "hold lift SITE CASE --reason r",
    "audit show SITE",
    "audit verify SITE",
    "report SITE --day today",
    "collected SITE --out OUT --remove",
    "explain SITE --strip OUT/strip.png",
    "watch SITE --once",
    "replay SITE --state STATE --out STATE/replay --show STATE/show",
    "decommission SITE --confirm red-corner",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, as all of a device's are."""
    folder = Path(tempfile.mkdtemp(prefix="kerbwatch-rights-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def root_s(place: Path) -> Path:
    """What root has for itself: each file of a kind that some command writes, deletes or reads."""
    folder = place / "root's"
    for name in ("case/begin.jpg", "plain", "kept.json", "picture.jpg", "000001.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SECRET)
    os.utime(folder / "plain", (1, 1))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def seen(folder: Path) -> dict[str, tuple[int, int, int, float, bytes]]:
    """Everything about a folder that a command could have changed."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        facts = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime, content)
        found[str(path.relative_to(folder))] = facts
    return found


@pytest.fixture
def site(place: Path) -> Path:
    """A site that has watched already; its state belongs to nobody."""
    write_model(place / "models")
    write_red_site(place / "site")
    with (place / "site" / "site.toml").open("a") as opened:
        opened.write('[storage]\nstate_dir = "state"\nrun_dir = "run"\n')
    kerbwatch(place / "site", "replay SITE --state STATE --out STATE/first")
    state = place / "site" / "state"
    (state / "first" / "evidence").rename(state / "evidence")
    shutil.rmtree(state / "first")
    crops = state / "collection" / "misparked_bike"
    crops.mkdir(parents=True)
    (crops / "20260301T080000000000Z~kerb~bike.jpg").write_bytes(b"crop")
    (place / "site" / "run").mkdir()
    give_to_nobody(state)
    give_to_nobody(place / "site" / "run")
    for path in (place / "models", *(place / "models").rglob("*")):
        path.chmod(0o755)
    return place / "site"


def give_to_nobody(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, NOBODY.pw_uid, NOBODY.pw_gid)


def case_of(site: Path) -> str:
    with closing(
        sqlite3.connect(f"file:{site / 'state/kerbwatch.sqlite3'}?mode=ro", uri=True)
    ) as db:
        [case_id] = db.execute("SELECT case_id FROM traces").fetchone()
    return str(case_id)


def kerbwatch(site: Path, line: str, case_id: str = "no-case") -> subprocess.CompletedProcess[str]:
    """The real command as root, as sudo calls it; a pipe that nobody writes to must not keep it."""
    named = {"SITE": site, "STATE": site / "state", "OUT": site.parent / "out", "CASE": case_id}
    words = []
    for word in line.split():
        first, slash, rest = word.partition("/")
        words.append(f"{named.get(first, first)}{slash}{rest}")
    return subprocess.run(
        [sys.executable, "-P", "-m", "provisioning.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd="/",
        env={**os.environ, "KERBWATCH_MODELS": str(site.parent / "models")},
    )


def links_to_files(state: Path, root_s: Path) -> None:
    """In the place of every file that a command may write, read or delete: a link to one of root's."""
    for name in (
        ".check",
        ".check.part",
        ".takes-writes.part",
        "last-good-configuration.json",
        "audit/lock",
        "audit/000001.jsonl",
        "holds/CASE.json",
        "holds/CASE.json.part",
        "holds/other.json",
        "commissioning/street.jpg",
        "commissioning/street.jpg.part",
        "commissioning/street.png",
        "commissioning/street.png.part",
        "collection/misparked_bike/20260301T080000000000Z~kerb~bike.jpg",
        "collection/misparked_bike/x.jpg",
        "evidence/CASE/begin.jpg",
        "keys/signing.key",
        "keys/signing.jwk",
        "retention.lock",
        "replay/events.jsonl",
        "show/street-0000000000.0.jpg",
        "../run/status.json",
    ):
        path = state / name.replace("CASE", case_of(state.parent))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(root_s / "plain")


def links_to_folders(state: Path, root_s: Path) -> None:
    """In the place of every folder: a link to one of root's."""
    for name in (
        "audit",
        "holds",
        "commissioning",
        "collection",
        "evidence",
        "keys",
        "replay",
        "show",
    ):
        if (state / name).is_dir():
            (state / name).rename(state.parent / f"old-{name}")
        (state / name).symlink_to(root_s)


def hard_links_and_pipes(state: Path, root_s: Path) -> None:
    """Other names of root's files, and pipes, at which whoever opens them waits for ever."""
    case_id = case_of(state.parent)
    for name in (
        "evidence/1-2/a.jpg",
        "commissioning/street.png",
        f"holds/{case_id}.json",
        ".check",
    ):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(root_s / "plain")
    for name in (
        "evidence/1-2/b.jpg",
        "commissioning/street.jpg",
        "holds/other.json",
        "audit/000001.jsonl",
        "collection/misparked_bike/y.jpg",
        "last-good-configuration.json",
        "../run/status.json",
    ):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)


def state_is_a_link(state: Path, root_s: Path) -> None:
    """The whole folder led elsewhere by whoever has the one around it."""
    os.lchown(state.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    shutil.copyfile(state / "kerbwatch.sqlite3", root_s / "kerbwatch.sqlite3")
    (root_s / "kerbwatch.sqlite3").chmod(0o600)
    state.rename(state.with_name("old"))
    state.symlink_to(root_s)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lay", [links_to_files, links_to_folders, hard_links_and_pipes, state_is_a_link]
)
def test_no_command_of_roots_is_led_to_what_is_roots(
    site: Path, root_s: Path, lay: Callable[[Path, Path], None]
) -> None:
    case_id, state = case_of(site), site / "state"
    lay(state, root_s)
    for path in state.rglob("*"):
        if not (path.is_file() and path.stat().st_nlink > 1):
            os.lchown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    if lay is state_is_a_link:
        os.lchown(state, NOBODY.pw_uid, NOBODY.pw_gid)
    before = {name: facts[:3] + facts[4:] for name, facts in seen(root_s).items()}
    for line in COMMANDS:
        done = kerbwatch(site, line, case_id)
        assert "Traceback" not in done.stderr, f"{line}: {done.stderr[-2000:]}"
        after = {name: facts[:3] + facts[4:] for name, facts in seen(root_s).items()}
        assert after == before, line
        assert SECRET not in done.stdout + done.stderr, line
        taken = site.parent / "out"
        if taken.is_dir():
            told = [path.read_bytes() for path in taken.rglob("*") if path.is_file()]
            assert SECRET.encode() not in b"".join(told), line


@pytest.mark.slow
def test_the_commands_work_for_root_and_what_they_write_stays_its_owners(site: Path) -> None:
    case_id = case_of(site)
    for line in COMMANDS:
        if line.startswith(("watch", "run", "replay", "decommission", "check", "report")):
            continue
        done = kerbwatch(site, line, case_id)
        expected = 1 if line == "audit verify SITE" and done.returncode else 0
        assert done.returncode == expected == 0, f"{line}: {done.stdout}{done.stderr}"
    owners = {path.lstat().st_uid for path in (site / "state", *(site / "state").rglob("*"))}
    assert owners == {NOBODY.pw_uid}
    told = kerbwatch(site, "audit show SITE --last 1000").stdout
    assert "(root)" in told, "the log says who called, not with whose rights it was done"
    assert (site.parent / "out" / "strip.png").stat().st_uid == 0
    assert list((site.parent / "out").glob("misparked_bike/to_review/*.jpg"))


@pytest.mark.slow
def test_decommission_wipes_what_an_agent_left_that_was_run_as_root(site: Path) -> None:
    left = site / "state" / "evidence" / "of-root" / "a.jpg"
    left.parent.mkdir(mode=0o700)
    left.write_text("picture")
    left.chmod(0o600)
    done = kerbwatch(site, "decommission SITE --confirm red-corner")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left"] == []
    assert not list((site / "state").rglob("*"))


def test_root_does_not_run_an_agent_where_another_could_put_other_folders(place: Path) -> None:
    write_red_site(place / "site")
    with (place / "site" / "site.toml").open("a") as opened:
        opened.write('[storage]\nstate_dir = "theirs/state"\n')
    (place / "site" / "theirs" / "state").mkdir(parents=True)
    os.chown(place / "site" / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
    done = kerbwatch(place / "site", "run SITE")
    assert done.returncode == 5
    assert "Another user could replace" in done.stderr
    assert not list((place / "site" / "theirs" / "state").iterdir())


@pytest.mark.slow
def test_the_check_reads_with_the_agents_rights(site: Path, root_s: Path) -> None:
    """A last good configuration that the agent's user made up must not send root anywhere."""
    whole = (site / "site.toml").read_text()
    (site / "site.toml").write_text(whole.replace('"state"', f'"{root_s}"'))
    last_known_good.keep(site, load(site), site / "state", SystemClock())
    (site / "site.toml").write_text('[storage]\nstate_dir = "state"\n[torn')
    give_to_nobody(site / "state")
    before = seen(root_s)
    told = kerbwatch(site, "check SITE").stdout
    assert "The agent continues with the last valid configuration" in told
    assert f"no file can be written to {root_s}: Permission denied" in told
    assert seen(root_s) == before


def test_wiping_beside_a_folder_that_is_swapped_all_the_time_reaches_nothing_else(
    place: Path, root_s: Path
) -> None:
    """Between two looks the owner puts a link to root's folder in the place of his own."""
    home = place / "home"
    (home / "inner").mkdir(parents=True)
    give_to_nobody(home)
    before, stop = seen(root_s), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (home / "inner").rename(home / "aside")
            (home / "inner").symlink_to(root_s)
            (home / "inner").unlink()
            (home / "aside").rename(home / "inner")

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        refused = 0
        for _ in range(3000):
            try:
                wiping.wipe(home / "inner" / "plain")
            except OSError:
                refused += 1
    finally:
        stop.set()
        swapping.join()
    assert refused, "it met the link at least once"
    assert seen(root_s) == before


def test_whoever_could_put_something_else_there_keeps_a_path(place: Path) -> None:
    (place / "theirs" / "inner").mkdir(parents=True)
    give_to_nobody(place / "theirs")
    os.chown(place / "theirs" / "inner", 0, 0)
    (place / "ours").mkdir()
    (place / "link").symlink_to(place / "theirs" / "inner")
    (place / "back").symlink_to("ours/../theirs")
    (place / "of-nobody").symlink_to(place / "ours")
    os.lchown(place / "of-nobody", NOBODY.pw_uid, NOBODY.pw_gid)
    keepers = {
        name: None if (found := keeper_of(place / name)) is None else found.number
        for name in (
            "ours",
            "ours/new",
            "theirs",
            "theirs/inner",
            "theirs/new",
            "link",
            "back",
            "of-nobody",
        )
    }
    nobody = NOBODY.pw_uid
    assert keepers == {
        "ours": None,
        "ours/new": None,
        "theirs": nobody,
        "theirs/inner": nobody,
        "theirs/new": nobody,
        "link": nobody,
        "back": nobody,
        "of-nobody": nobody,
    }
    (place / "ours").chmod(0o777)
    open_to_all = keeper_of(place / "ours" / "new")
    assert open_to_all is not None
    assert open_to_all.number == nobody
    (place / "ours").chmod(0o1777)
    assert keeper_of(place / "ours" / "new") is None, "as /tmp is: nobody moves what is another's"
    (place / "round").symlink_to("round")
    with pytest.raises(OSError, match=r"[Ll]evels of symbolic links"):
        keeper_of(place / "round")


def test_root_acts_as_the_keeper_and_is_root_again(place: Path) -> None:
    (place / "theirs").mkdir()
    give_to_nobody(place / "theirs")
    groups = os.getgroups()
    with acting_for(place / "theirs"):
        assert (os.geteuid(), os.getegid()) == (NOBODY.pw_uid, NOBODY.pw_gid)
        (place / "theirs" / "written").touch()
        with pytest.raises(PermissionError):
            (place / "not-theirs").touch()
        with acting_for(place):
            assert os.geteuid() == NOBODY.pw_uid, "whoever is not root changes nothing"
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
    assert (place / "theirs" / "written").stat().st_uid == NOBODY.pw_uid
    with pytest.raises(ZeroDivisionError), acting_for(place / "theirs"):
        _ = 1 / 0
    assert os.geteuid() == 0


def test_a_folder_for_results_is_made_and_kept_by_whoever_keeps_the_one_around_it(
    place: Path,
) -> None:
    (place / "theirs").mkdir()
    give_to_nobody(place / "theirs")
    code = (
        "import os, pathlib, sys; from drivers.files.privileges import settle_in; "
        "settle_in(pathlib.Path(sys.argv[1]), groups=[0, 4]); "
        "print(*os.getresuid(), *os.getresgid(), *sorted(os.getgroups()))"
    )
    for name, user in {"theirs/a/b": NOBODY.pw_uid, "ours/a": 0}.items():
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(place / name)],
            capture_output=True,
            text=True,
            check=True,
        )
        numbers = [int(word) for word in done.stdout.split()]
        assert numbers[:3] == [user] * 3
        assert (place / name).stat().st_uid == user
        if user:
            assert 0 not in numbers, "nothing of root's is left"
            assert 4 in numbers


def test_a_folder_is_opened_without_another_s_links(place: Path, root_s: Path) -> None:
    (place / "theirs").mkdir()
    (place / "theirs" / "in").symlink_to(root_s)
    (place / "ours").symlink_to(root_s)
    os.lchown(place / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
    os.close(open_folder(place / "ours"))
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        open_folder(place / "theirs" / "in")
    with pytest.raises(FileNotFoundError):
        open_folder(place / "nowhere" / "in")


def test_a_file_that_is_none_is_not_read(place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "file").write_text("read")
    (place / "link").symlink_to(place / "file")
    assert read_file(place / "file") == b"read"
    for name in ("pipe", "link", "missing"):
        with pytest.raises(OSError, match=name):
            read_file(place / name)
    assert stat.S_ISFIFO((place / "pipe").stat().st_mode)
    assert privileges.may_follow(place / "link")
