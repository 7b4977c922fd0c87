-- Views of sqlite.sql in DuckDB's dialect, over Parquet; made from it by `python -m tests.support.dialects`.
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

CREATE VIEW boot AS
SELECT tenant, device, boot_id, zero_s FROM (
  SELECT tenant, device, raw->'body'->>'boot_id' AS boot_id,
    unix_s(raw->'body'->>'zero_at') AS zero_s,
    row_number() OVER (PARTITION BY tenant, device, raw->'body'->>'boot_id'
      ORDER BY number(raw->'clock'->>'monotonic_s') DESC NULLS LAST, event_id DESC) AS nth
  FROM event WHERE type = 'device.clock' AND length(raw->'body'->>'boot_id') BETWEEN 1 AND 64
) AS corrections WHERE nth = 1;

CREATE VIEW told AS
SELECT e.tenant, e.device, e.event_id, e.type, e.test, e.raw,
  unix_s(e.raw->>'occurred_at') AS occurred_s,
  coalesce(b.zero_s + number(e.raw->'clock'->>'monotonic_s')
    - unix_s(e.raw->>'occurred_at'), 0) AS shift_s
FROM event e LEFT JOIN boot b
  ON (b.tenant, b.device, b.boot_id) = (e.tenant, e.device, e.raw->'clock'->>'boot_id');

CREATE VIEW case_event AS
SELECT tenant, device, event_id, type, test, raw,
  raw->'body'->>'case_id' AS case_id, raw->'body'->>'kind' AS kind, raw->'body'->>'state' AS state,
  raw->'body'->'place'->>'place_id' AS place_id, raw->'body'->'place'->>'zone_id' AS zone_id,
  raw->'body'->'place'->>'camera_id' AS camera_id, raw->'body'->'place'->>'address' AS address,
  coalesce(raw->'body'->'place'->>'responsible_unit_id', raw->'body'->'place'->>'responsible_unit') AS unit,
  number(raw->'body'->'place'->>'sla_s') AS sla_s,
  raw->'body'->'abstention'->>'because' AS not_seen_because,
  raw->'body'->'reason'->>'ended_by' AS ended_by, shift_s,
  occurred_s + shift_s AS occurred_s,
  unix_s(raw->'body'->>'opened_at') + shift_s AS opened_s,
  unix_s(raw->'body'->>'last_present_at') + shift_s AS last_present_s,
  unix_s(raw->'body'->>'cleared_at') + shift_s AS cleared_s
FROM told WHERE type LIKE 'case.%' AND length(raw->'body'->>'case_id') BETWEEN 1 AND 64;

CREATE VIEW case_now AS
SELECT * FROM (
  SELECT c.*, row_number() OVER (PARTITION BY tenant, device, case_id
    ORDER BY CASE WHEN state = 'open' THEN 1 ELSE 0 END, occurred_s DESC NULLS LAST, event_id DESC) AS nth
  FROM case_event c
) AS by_age WHERE nth = 1 AND NOT test;

CREATE VIEW member_now AS
SELECT tenant, device, case_id, kind, place_id, member_id, operator, since_s, until_s FROM (
  SELECT stays.*, row_number() OVER (PARTITION BY tenant, device, case_id, member_id
    ORDER BY gone DESC, occurred_s DESC NULLS LAST, event_id DESC,  -- and of one that is named twice, always the same
      since_s DESC NULLS LAST, until_s DESC NULLS LAST, operator DESC NULLS LAST) AS nth
  FROM (
    SELECT c.tenant, c.device, c.event_id, c.case_id, c.kind, c.place_id, c.occurred_s, 0 AS gone,
      m.value->>'member_id' AS member_id, m.value->>'operator' AS operator,
      unix_s(m.value->>'since') + c.shift_s AS since_s,
      coalesce(unix_s(m.value->>'last_present_at') + c.shift_s, c.last_present_s)
        AS until_s
    FROM case_event c CROSS JOIN members(c.raw->'body'->'members') AS m
    WHERE m.type = 'object' AND NOT c.test
    UNION ALL
    SELECT c.tenant, c.device, c.event_id, c.case_id, c.kind, c.place_id, c.occurred_s, 1,
      m.value->>'member_id', m.value->>'operator',
      unix_s(m.value->>'since') + c.shift_s,
      unix_s(m.value->>'until') + c.shift_s
    FROM case_event c CROSS JOIN members(c.raw->'body'->'left') AS m
    WHERE m.type = 'object' AND NOT c.test
  ) AS stays WHERE length(member_id) BETWEEN 1 AND 64
) AS by_age WHERE nth = 1;
