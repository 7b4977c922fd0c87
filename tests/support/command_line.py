"""The ``kerbwatch`` command, called as people call it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from provisioning.cli import main


def kerbwatch(*words: object, language: str | None = None, typed: str | None = None) -> Result:
    """Call the command with these words; ``typed`` is what somebody answers its questions."""
    environment = {} if language is None else {"KERBWATCH_LANGUAGE": language}
    return CliRunner(env=environment).invoke(main, [str(word) for word in words], input=typed)


def refused(result: Result, code: int) -> str:
    """What a command said that ended with an expected failure."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), "a traceback was shown"
    assert "Traceback" not in result.output
    return result.stderr


def adopt(file: Path, into: Path, family: str, *more: str) -> Result:
    words = ["models", "adopt", str(file), "--name", "taken", "--family", family, *more]
    words += ["--licence", "MIT", "--provenance", "made up by a test", "--into", str(into)]
    return kerbwatch(*words)
