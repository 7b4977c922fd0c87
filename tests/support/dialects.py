"""The data model of docs/platform in PostgreSQL's dialect, made from that in SQLite's."""

from __future__ import annotations

import re
import sys

from tests.support.example_platform import PLATFORM

_PRELUDE = """\
-- sqlite.sql in PostgreSQL's dialect (15 or newer); made from it by `python -m tests.support.dialects`.
-- These functions give null, or nothing, for what a hostile device may have written there.

CREATE OR REPLACE FUNCTION unix_s(told text) RETURNS double precision LANGUAGE plpgsql STABLE AS $$
BEGIN RETURN extract(epoch FROM told::timestamptz); EXCEPTION WHEN others THEN RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION number(told text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN told::double precision; EXCEPTION WHEN others THEN RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION whole(told text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN told::bigint; EXCEPTION WHEN others THEN RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION members(told jsonb) RETURNS TABLE (key text, value jsonb, type text) LANGUAGE plpgsql
IMMUTABLE AS $$ BEGIN
  IF jsonb_typeof(told) = 'array' THEN
    RETURN QUERY SELECT a.nth::text, a.value, jsonb_typeof(a.value)
      FROM jsonb_array_elements(told) WITH ORDINALITY AS a(value, nth);
  ELSIF jsonb_typeof(told) = 'object' THEN
    RETURN QUERY SELECT o.key, o.value, jsonb_typeof(o.value) FROM jsonb_each(told) AS o;
  END IF;
END $$;
"""
_CHANGES = (
    (r"\A(--.*\n)+", ""),
    (r"\(julianday\(([^()]*)\) - 2440587\.5\) \* 86400", r"unix_s(\1)"),
    (r"CAST\(o\.value AS TEXT\)", "o.value #>> '{}'"),
    (r"CAST\(([^()]*) AS REAL\)", r"number(\1)"),
    (r"CAST\(([^()]*) AS BIGINT\)", r"whole(\1)"),
    (r"json_each\(", "members("),
    (r"CREATE VIEW IF NOT EXISTS", "CREATE OR REPLACE VIEW"),
)


def postgresql() -> str:
    """What ``postgresql.sql`` holds."""
    text = (PLATFORM / "sqlite.sql").read_text(encoding="utf-8")
    for pattern, replacement in _CHANGES:
        text = re.sub(pattern, replacement, text)
    return _PRELUDE + text


if __name__ == "__main__":
    (PLATFORM / "postgresql.sql").write_text(postgresql(), encoding="utf-8")
    sys.stdout.write("examples/platform/postgresql.sql\n")
