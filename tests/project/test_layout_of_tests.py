"""What tests share lies in ``tests/support``, no test module is another's library, and each lies in the room it tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CODE = ("tests", "benchmarks", "training", "provisioning", "agent", "drivers", "wording")
ROOMS = {path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")} | {
    "drivers",
    "wording",
    "provisioning",
    "training",
    "project",
    "page",  # provisioning/page: in a browser
    "simulation",  # provisioning/simulation
    "platform",  # the platform's side of the contract: examples/platform
}

_PLATFORM = ROOT / "examples" / "platform" / "kerbwatch_platform"
ROOMS_OF_THE_PLATFORM = {path.parent.name for path in _PLATFORM.glob("*/__init__.py")} | {"faults"}


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of a tree by its dotted name."""
    found = [path for folder in CODE for path in sorted((root / folder).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in found}


def names_in(module: str, tree: ast.Module) -> Iterator[str]:
    """Dotted names that a module may import: as statements, and in texts that a process is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{each.name}".strip(".") for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\btests(?:\.\w+)+", node.value)


def uses_of_tests(root: Path) -> list[str]:
    """Who uses a test module, each as ``who → test module``."""
    modules = modules_of(root)
    tests = {name for name in modules if name.rpartition(".")[2].startswith("test_")}
    tests = {name for name in tests if name.startswith("tests.")}
    by_last = {name.rpartition(".")[2]: name for name in tests}
    found = set()
    for module, path in modules.items():
        for name in names_in(module, ast.parse(path.read_text(encoding="utf-8"))):
            used = [each for each in tests if name == each or name.startswith(f"{each}.")]
            found |= {f"{module} → {each}" for each in (*used, by_last.get(name)) if each}
    return sorted(found)


def what_support_uses(root: Path) -> list[str]:
    """What ``tests.support`` uses of the tests but itself, each as ``who → what``."""
    found = set()
    for module, path in modules_of(root).items():
        if module.startswith("tests.support."):
            names = names_in(module, ast.parse(path.read_text(encoding="utf-8")))
            others = [name for name in names if re.match(r"tests\.(?!support\b)\w", name)]
            found |= {f"{module} → {name}" for name in others}
    return sorted(found)


def outside_a_room(root: Path) -> list[str]:
    """Test files whose folder is no room."""
    files = [path.relative_to(root) for path in sorted((root / "tests").rglob("test_*.py"))]
    return [str(file) for file in files if not _lies_in_a_room(file.parts[1:-1])]


def _lies_in_a_room(folders: tuple[str, ...]) -> bool:
    """Whether it does: the platform is a package of its own, with rooms within, and views within the desk's."""
    if folders[:1] == ("platform",) and len(folders) > 1:
        if folders[2:] not in {(), ("views",)}:
            return False
        return folders[1] in ROOMS_OF_THE_PLATFORM
    return len(folders) == 1 and folders[0] in ROOMS


@pytest.mark.slow
def test_no_test_module_is_used_by_anybody() -> None:
    assert uses_of_tests(ROOT) == []


def test_what_tests_share_needs_nothing_of_them() -> None:
    assert what_support_uses(ROOT) == []


def test_every_test_lies_in_the_room_of_what_it_tests() -> None:
    assert outside_a_room(ROOT) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree that is in order."""
    write(tmp_path, "tests/storage/test_rows.py", "from tests.support.rows import ROW\n")
    write(tmp_path, "tests/support/rows.py", "import json\nROW = 1\n")
    write(tmp_path, "benchmarks/rows.py", "from tests.support import rows\n")
    assert uses_of_tests(tmp_path) == what_support_uses(tmp_path) == outside_a_room(tmp_path) == []
    return tmp_path


def write(root: Path, place: str, text: str) -> None:
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(text, encoding="utf-8")


TEST = "test_rows"  # never whole in this file, which is searched, too
WAYS = {
    "by its name": f"from tests.storage.{TEST} import ROW",
    "from its folder": f"from tests.storage import {TEST}",
    "as a module": f"import tests.storage.{TEST} as rows",
    "from beside it": f"from .{TEST} import ROW",
    "by its last name": f"import {TEST}",
    "in a function": f"def use():\n    from tests.storage.{TEST} import ROW\n    return ROW",
    "for the type checker": f"if TYPE_CHECKING:\n    from tests.storage.{TEST} import ROW",
    "in a process": f'SCRIPT = """\nfrom tests.storage.{TEST} import ROW\n"""',
    "by importlib": f'importlib.import_module("tests.storage.{TEST}")',
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("user", ["tests/storage/test_more.py", "tests/storage/more.py"])
def test_a_module_that_uses_a_test_module_is_named(tree: Path, user: str, way: str) -> None:
    write(tree, user, WAYS[way] + "\n")
    module = user.removesuffix(".py").replace("/", ".")
    assert uses_of_tests(tree) == [f"{module} → tests.storage.{TEST}"]


@pytest.mark.parametrize("user", ["benchmarks/more.py", "tests/faults/more.py"])
def test_nor_may_benchmarks_and_faults_use_one(tree: Path, user: str) -> None:
    write(tree, user, WAYS["by its name"] + "\n")
    assert len(uses_of_tests(tree)) == 1


@pytest.mark.parametrize("used", ["tests.faults.suite", "tests.storage.helpers"])
def test_what_is_shared_and_needs_what_is_not_is_named(tree: Path, used: str) -> None:
    write(tree, "tests/support/more.py", f"from {used} import wait\n")
    assert what_support_uses(tree)[0] == f"tests.support.more → {used}"


@pytest.mark.parametrize(
    "place",
    ["tests/attic", "tests", "tests/storage/rows", "tests/support", "tests/platform/attic"],
)
def test_a_test_outside_the_rooms_is_named(tree: Path, place: str) -> None:
    write(tree, f"{place}/test_odd.py", "")
    assert outside_a_room(tree) == [f"{place}/test_odd.py"]
