"""Tools that generate code from the contract, as others would: in a folder of their own, from their own locks.

The tests alone need them, so they are in no environment of ours. Node and npm are of the system; ``./check``
installs them where it may.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

PINNED = ROOT / "tests" / "protocol" / "generators"
_TIMEOUT_S = 500


class GeneratorError(Exception):
    """A tool is missing, or it failed; the text is what it said."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program and give what it printed.

    Raises:
        GeneratorError: It failed.
    """
    told = [str(each) for each in command]
    ran = subprocess.run(
        told, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if ran.returncode:
        raise GeneratorError(f"{' '.join(told)}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
    return ran.stdout


@functools.cache
def installed() -> Path:
    """The folder with the pinned tools, made where it is not there or the locks have changed.

    Raises:
        GeneratorError: They cannot be installed.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise GeneratorError(f"there is no {tool}; on Debian: apt-get install nodejs npm")
    locks = [PINNED / "requirements.lock", PINNED / "package.json", PINNED / "package-lock.json"]
    told = b"".join(each.read_bytes() for each in locks) + sys.version.encode()
    folder = ROOT / ".cache" / "generators" / hashlib.sha256(told).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two of these at once would write the same folder
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            (folder / "complete").touch()
    return folder


def _install(folder: Path) -> None:
    folder.mkdir()
    run(sys.executable, "-m", "venv", folder / "python")
    pip = (folder / "python" / "bin" / "python", "-m", "pip", "install", "-qq")
    hashed = ("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")
    run(*pip, *hashed, "-r", PINNED / "requirements.lock")
    for each in ("package.json", "package-lock.json", "asyncapi.mjs"):
        shutil.copy(PINNED / each, folder / each)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


def python_from(schema: Path, made: Path) -> None:
    """Generate Python (pydantic) from a schema.

    Raises:
        GeneratorError: It failed.
    """
    options = ("--output-model-type", "pydantic_v2.BaseModel", "--enum-field-as-literal", "all")
    run(
        installed() / "python" / "bin" / "datamodel-codegen",
        *("--input", schema, "--input-file-type", "jsonschema", "--output", made),
        *(*options, "--formatters", "builtin", "--disable-timestamp"),
        *("--target-python-version", "3.11"),
    )


def typescript_from(schema: Path, made: Path) -> None:
    """Generate TypeScript from a draft-07 schema.

    Raises:
        GeneratorError: It failed.
    """
    tool = installed() / "node_modules" / "json-schema-to-typescript" / "dist" / "src" / "cli.js"
    run("node", tool, "-i", schema, "-o", made, "--unreachableDefinitions", "--maxItems", "-1")


def compiled(*files: Path) -> None:
    """Check TypeScript.

    Raises:
        GeneratorError: It is wrong; the text says where.
    """
    tool = installed() / "node_modules" / "typescript" / "bin" / "tsc"
    run("node", tool, "--noEmit", "--strict", "--target", "es2022", *files)


def asyncapi_read(document: Path) -> str:
    """Read an AsyncAPI document with its own parser: version, number of channels and of messages.

    Raises:
        GeneratorError: The parser finds errors.
    """
    return run("node", installed() / "asyncapi.mjs", document).strip()
