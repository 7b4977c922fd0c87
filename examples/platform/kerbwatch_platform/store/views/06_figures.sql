-- The figures of the plan. Moments and durations are whole milliseconds, so that sums are exact in every order:
-- two engines that add them up come to the same.

CREATE OR REPLACE FUNCTION ms(seconds double precision) RETURNS bigint LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN abs(seconds) < 1e12 THEN floor(seconds * 1000 + 0.5)::bigint END $$;

CREATE OR REPLACE FUNCTION part(told jsonb, named text) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$ SELECT told->named $$;

CREATE OR REPLACE FUNCTION part_text(told jsonb, named text) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT told->>named $$;

-- Both engines: what follows is read by DuckDB as well, over Parquet (figures/duck.py).

-- What was found of each case: the desk's newest verdict, or what the device was told by others.
CREATE OR REPLACE VIEW figure_verdict AS
WITH desk AS MATERIALIZED (
  SELECT v.tenant, v.device, v.case_id, v.verdict, row_number() OVER (PARTITION BY v.tenant, v.device, v.case_id
    ORDER BY v.number DESC) AS nth FROM verdict v WHERE v.undone_at IS NULL
), confirmed AS MATERIALIZED (
  SELECT t.tenant, t.device, t.raw->'body'->>'case_id' AS case_id, t.raw->'body'->'verdict'->>'verdict' AS verdict,
    row_number() OVER (PARTITION BY t.tenant, t.device, t.raw->'body'->>'case_id'
      ORDER BY ms(t.occurred_s + t.shift_s) DESC, t.event_id COLLATE "C" DESC) AS nth
  FROM told t WHERE t.type = 'case.judged' AND NOT t.test
)
SELECT tenant, device, case_id, verdict FROM desk WHERE nth = 1
UNION ALL SELECT c.tenant, c.device, c.case_id, c.verdict FROM confirmed c WHERE c.nth = 1 AND NOT EXISTS (
  SELECT 1 FROM desk d WHERE (d.tenant, d.device, d.case_id) = (c.tenant, c.device, c.case_id));

-- Each case, but for tests. `counts`: no reviewer found it to be a false alarm, or the same as another. What the
-- verifier ended, or was withdrawn, was cleared by nobody. `stood_until_ms`: when it was last seen there.
CREATE OR REPLACE VIEW figure_case AS
SELECT c.tenant, c.device, c.case_id, c.kind, c.place_id, c.zone_id, c.address, c.unit,
  ms(coalesce(unix_s(c.raw->'body'->>'began_at') + c.shift_s, c.opened_s)) AS began_ms, ms(c.opened_s) AS opened_ms,
  ms(c.last_present_s) AS stood_until_ms,
  ms(CASE WHEN c.state = 'withdrawn'
    THEN coalesce(unix_s(c.raw->'body'->'withdrawn'->>'at') + c.shift_s, c.occurred_s)
    ELSE c.cleared_s END) AS ended_ms,
  CASE WHEN c.state = 'cleared' AND coalesce(c.ended_by, '') <> 'verifier' THEN 'cleared'
    WHEN c.state = 'cleared' THEN 'taken_back' ELSE c.state END AS ended,
  ms(c.sla_s) AS sla_ms, c.not_seen_because, v.verdict,
  coalesce(v.verdict, '') NOT IN ('false', 'duplicate') AS counts
FROM case_now c LEFT JOIN figure_verdict v
  ON (v.tenant, v.device, v.case_id) = (c.tenant, c.device, c.case_id);

-- Each stay of a misparked bike. `unknown`: its paint is no operator's; `not_told`: the site names no operators,
-- or no view of the bike was taken.
CREATE OR REPLACE VIEW figure_stay AS
SELECT m.tenant, m.device, m.case_id, m.member_id, c.zone_id, c.place_id,
  coalesce(m.operator, 'not_told') AS operator, ms(m.since_s) AS since_ms, ms(m.until_s) AS until_ms
FROM member_now m JOIN figure_case c ON (c.tenant, c.device, c.case_id) = (m.tenant, m.device, m.case_id)
WHERE m.kind = 'misparked_bike' AND c.counts;

-- Which cases open in which zones.
CREATE OR REPLACE VIEW figure_kind AS
SELECT * FROM (VALUES ('no_parking', 'misparked_bike'), ('no_vending', 'street_vending'),
  ('shop_front', 'shop_overflow'), ('bin', 'overflowing_bin'), ('no_dumping', 'exposed_rubbish')
) AS judged(zone_kind, kind);

-- Each zone's day, as the devices' summaries tell it; two summaries of one day are of different hours. A zone that
-- was drawn elsewhere, or given to another unit, is another from then on.
CREATE OR REPLACE VIEW figure_zone_day AS
SELECT tenant, device, day, zone_id, place_id, camera_id, kind, unit, max(complete) AS complete,
  CAST(sum(seen_ms) AS BIGINT) AS seen_ms, CAST(sum(abstained_ms) AS BIGINT) AS abstained_ms,
  CAST(sum(blind_ms) AS BIGINT) AS blind_ms
FROM (
  SELECT t.tenant, t.device, t.raw->'body'->>'day' AS day, z.value->>'zone_id' AS zone_id,
    z.value->>'place_id' AS place_id, z.value->>'camera_id' AS camera_id, z.value->>'zone_kind' AS kind,
    coalesce(z.value->>'responsible_unit_id', z.value->>'responsible_unit') AS unit,
    CASE WHEN (t.raw->'body'->>'complete') = 'true' THEN 1 ELSE 0 END AS complete,
    ms(number(z.value->>'sensing_s')) AS seen_ms, ms(number(z.value->>'abstained_s')) AS abstained_ms,
    ms(number(z.value->>'blind_s')) AS blind_ms
  FROM told t CROSS JOIN members(t.raw->'body'->'zones') AS z
  WHERE t.type = 'device.summary' AND z.type = 'object' AND NOT t.test
) AS told_day
GROUP BY tenant, device, day, zone_id, place_id, camera_id, kind, unit;

-- Every zone that is or was drawn, and on which days it was to be watched: from the first day that its device told
-- in full, to the last that names it, or on until its device is taken down.
CREATE OR REPLACE VIEW figure_zone AS
WITH span AS MATERIALIZED (
  SELECT tenant, device, zone_id, place_id, camera_id, kind, unit,
    coalesce(min(CASE WHEN complete = 1 THEN day END), min(day)) AS first_day, max(day) AS last_day
  FROM figure_zone_day GROUP BY tenant, device, zone_id, place_id, camera_id, kind, unit
), newest AS MATERIALIZED (
  SELECT tenant, device, max(last_day) AS last_day FROM span GROUP BY tenant, device
), gone AS MATERIALIZED (
  SELECT tenant, device, max(ms(occurred_s + shift_s)) AS gone_ms FROM told
  WHERE type = 'device.decommissioned' AND NOT test GROUP BY tenant, device
)
SELECT s.tenant, s.device, s.zone_id, s.place_id, s.camera_id, s.kind AS zone_kind, k.kind, s.unit, s.first_day,
  s.last_day, s.last_day = n.last_day AS drawn_now, g.gone_ms
FROM span s JOIN newest n ON (n.tenant, n.device) = (s.tenant, s.device)
LEFT JOIN gone g ON (g.tenant, g.device) = (s.tenant, s.device)
LEFT JOIN figure_kind k ON k.zone_kind = s.kind;

-- Each sign of life with what the cameras saw then, and for how long it holds: until the next, and no longer than
-- 15 minutes. Without a connection there is none: then nothing is known of the hour.
CREATE OR REPLACE VIEW figure_sign AS
SELECT tenant, device, at_ms, cameras, views, CASE WHEN next_ms < at_ms + 900000 THEN next_ms
  ELSE at_ms + 900000 END AS until_ms
FROM (
  SELECT h.tenant, h.device, ms(h.occurred_s + h.shift_s) AS at_ms,
    coalesce(h.raw->'body'->'changed'->'cameras', h.raw->'body'->'cameras', f.raw->'body'->'cameras') AS cameras,
    coalesce(h.raw->'body'->'changed'->'views', h.raw->'body'->'views', f.raw->'body'->'views') AS views,
    lead(ms(h.occurred_s + h.shift_s)) OVER (PARTITION BY h.tenant, h.device
      ORDER BY ms(h.occurred_s + h.shift_s), h.event_id COLLATE "C") AS next_ms
  FROM told h LEFT JOIN event f
    ON (f.tenant, f.device, f.event_id) = (h.tenant, h.device, h.raw->'body'->>'of')
    AND f.type = 'device.heartbeat'
  WHERE h.type IN ('device.heartbeat', 'device.changes') AND NOT h.test
) AS signs;
