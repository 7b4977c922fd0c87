-- Per zone and day, of which the intervals are made: how many bikes of each operator came to stand there, and how
-- long they stood on that day; and how long the zone was watched (operator is null).
SELECT s.tenant, s.operator, s.device, s.zone_id, d.day,
  CAST(sum(CASE WHEN s.since_ms >= d.from_ms THEN 1 ELSE 0 END) AS BIGINT) AS bikes,
  CAST(sum(greatest(least(s.until_ms, d.until_ms) - greatest(s.since_ms, d.from_ms), 0)) AS BIGINT) AS stood_ms,
  CAST(0 AS BIGINT) AS seen_ms, CAST(0 AS BIGINT) AS asked_ms
FROM figure_stay s JOIN day d ON s.since_ms < d.until_ms AND (s.until_ms > d.from_ms OR s.since_ms >= d.from_ms)
GROUP BY s.tenant, s.operator, s.device, s.zone_id, d.day
UNION ALL SELECT tenant, NULL, device, zone_id, day, 0, 0, CAST(sum(seen_ms) AS BIGINT),
  CAST(sum(asked_ms) AS BIGINT)
FROM zone_hours WHERE kind = 'misparked_bike' GROUP BY tenant, device, zone_id, day
