-- What every question begins with: how long each zone was to be watched on each day that is over, and how long it
-- could be seen. `asked`, `day`, `hour` and `night` come before it, from the period.
matters AS MATERIALIZED (SELECT * FROM figure_case),
zones AS MATERIALIZED (SELECT * FROM figure_zone),
zone_hours AS MATERIALIZED (
  SELECT z.tenant, z.device, z.zone_id, z.place_id, z.kind, z.unit, d.day, d.until_ms - d.from_ms AS asked_ms,
    CAST(0 AS BIGINT) AS seen_ms
  FROM zones z JOIN day d ON d.day >= z.first_day AND (d.day <= z.last_day
    OR z.drawn_now AND coalesce(z.gone_ms, d.until_ms) >= d.until_ms)
  CROSS JOIN asked a WHERE d.until_ms <= a.now_ms
  UNION ALL SELECT f.tenant, f.device, f.zone_id, f.place_id, k.kind, f.unit, f.day, CAST(0 AS BIGINT), f.seen_ms
  FROM figure_zone_day f JOIN day d ON d.day = f.day LEFT JOIN figure_kind k ON k.zone_kind = f.kind
), told_sign AS MATERIALIZED (
  -- What is needed of each, taken out once: not again for every zone.
  SELECT s.tenant, s.device, s.at_ms, least(s.until_ms, a.now_ms) AS until_ms, s.cameras, s.views
  FROM figure_sign s CROSS JOIN asked a
  WHERE s.at_ms >= a.from_ms - 900000 AND s.at_ms < least(a.signs_until_ms, a.now_ms)
), sign AS MATERIALIZED (
  SELECT s.tenant, s.device, z.zone_id, z.place_id, z.kind, z.first_day, z.last_day, z.drawn_now, s.at_ms,
    s.until_ms, s.at_ms - s.at_ms % 900000 AS slot_ms
  FROM told_sign s JOIN zones z ON (z.tenant, z.device) = (s.tenant, s.device)
  WHERE z.kind IS NOT NULL AND part_text(s.cameras, z.camera_id) = 'running'
    AND part_text(part(s.views, z.camera_id)->'abstaining', z.zone_id) IS NULL
), slot AS MATERIALIZED (
  -- Quarters of an hour: every time zone's hours begin at one, and a sign of life holds for no longer than one.
  SELECT tenant, device, zone_id, place_id, kind, first_day, last_day, drawn_now, slot_ms,
    least(until_ms, slot_ms + 900000) - at_ms AS seen_ms FROM sign
  UNION ALL SELECT tenant, device, zone_id, place_id, kind, first_day, last_day, drawn_now, slot_ms + 900000,
    until_ms - slot_ms - 900000 FROM sign WHERE until_ms > slot_ms + 900000
)
