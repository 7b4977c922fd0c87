"""The data model of docs/platform, made from that in SQLite's dialect: in PostgreSQL's, and what the package takes of it.

The package's store has tables of its own, and views of its own over them, by the same names; what is a view over those
alone is the same everywhere. Its figures out of Parquet need some in DuckDB's dialect.
"""

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


_DUCKDB = r"""-- Views of sqlite.sql in DuckDB's dialect, over Parquet; made from it by `python -m tests.support.dialects`.
-- What a hostile device may have written gives null here as it does in PostgreSQL: no year 0, no offset of 16 hours.

CREATE MACRO unix_s(told) AS CASE WHEN regexp_full_match(told, '\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d'
  || '(\.\d{1,9})?(Z|[+-](0\d|1[0-5]):[0-5]\d)') AND NOT starts_with(told, '0000')
  THEN epoch_us(TRY_CAST(told AS TIMESTAMPTZ)) / 1e6 END;

CREATE MACRO number(told) AS CASE WHEN regexp_full_match(told, '[+-]?\d+(\.\d+)?([eE][+-]?\d+)?')
  AND isfinite(TRY_CAST(told AS DOUBLE)) AND (TRY_CAST(told AS DOUBLE) <> 0 OR NOT regexp_matches(told, '^[^eE]*[1-9]'))
  THEN TRY_CAST(told AS DOUBLE) END;

-- Not told->key: DuckDB takes a key that begins with $ or / for a path.
CREATE MACRO part(told, named) AS CASE WHEN json_type(told) = 'OBJECT'
  THEN told->('/' || replace(replace(named, '~', '~0'), '/', '~1')) END;

CREATE MACRO part_text(told, named) AS CASE WHEN json_type(told) = 'OBJECT'
  THEN told->>('/' || replace(replace(named, '~', '~0'), '/', '~1')) END;

CREATE MACRO whole(told) AS CASE WHEN regexp_full_match(told, '[+-]?\d+') THEN TRY_CAST(told AS BIGINT) END;

CREATE MACRO members(told) AS TABLE SELECT key, value, lower(json_type(value)) AS type FROM json_each(
  CASE WHEN json_type(told) IN ('ARRAY', 'OBJECT') THEN told END);

CREATE MACRO ms(seconds) AS CASE WHEN abs(seconds) < 1e12 THEN CAST(floor(seconds * 1000 + 0.5) AS BIGINT) END;
"""
_FOR_FIGURES = ("boot", "told", "case_event", "case_now", "member_now")


def duckdb() -> str:
    """What ``model.duckdb.sql`` of the figures holds."""
    views = dict(re.findall(r"CREATE OR REPLACE VIEW (\w+) AS\n(.*?;)\n", postgresql(), re.DOTALL))
    return _DUCKDB + "".join(f"\nCREATE VIEW {name} AS\n{views[name]}\n" for name in _FOR_FIGURES)


_OF_THE_STORE = """\
-- Views of the contract over those of 01_model.sql; made from sqlite.sql by `python -m tests.support.dialects`.
"""
_SHARED = ("closed", "cloned", "settled", "missing", "moved", "conflicting", "view_now")


def store() -> str:
    """What the store of the package has in ``views/02_contract.sql``."""
    each = r"((?:^--[^\n]*\n)*)^CREATE OR REPLACE VIEW (\w+) AS\n(.*?;)\n"
    found = re.findall(each, postgresql(), re.MULTILINE | re.DOTALL)
    views = {name: f"\n{said}CREATE VIEW {name} AS\n{text}\n" for said, name, text in found}
    return _OF_THE_STORE + "".join(views[name] for name in _SHARED)


MADE = {
    PLATFORM / "postgresql.sql": postgresql,
    PLATFORM / "kerbwatch_platform" / "store" / "views" / "02_contract.sql": store,
    PLATFORM / "kerbwatch_platform" / "figures" / "sql" / "model.duckdb.sql": duckdb,
}
"""File → what makes it."""

if __name__ == "__main__":
    for path, make in MADE.items():
        path.write_text(make(), encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(PLATFORM.parent.parent)}\n")
