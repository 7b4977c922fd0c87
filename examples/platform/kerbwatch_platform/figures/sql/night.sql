-- Per night (of its evening's date) and kind, and per place where something stood: what stood, opened, was cleared
-- and was left for the morning; and for how long the places are known to have been seen. `place_id` is null in
-- the sums over all places.
, stood AS (
  SELECT n.night, c.tenant, c.place_id, c.kind, 1 AS cases,
    CASE WHEN c.opened_ms >= n.from_ms THEN 1 ELSE 0 END AS opened,
    CASE WHEN c.ended = 'cleared' AND c.ended_ms >= n.from_ms AND c.ended_ms < n.until_ms THEN 1 ELSE 0 END AS cleared,
    CASE WHEN c.ended = 'open' OR c.ended_ms >= n.until_ms THEN 1 ELSE 0 END AS left_standing,
    greatest(least(c.stood_until_ms, n.until_ms) - greatest(c.began_ms, n.from_ms), 0) AS stood_ms,
    0 AS seen_ms, 0 AS asked_ms
  FROM matters c JOIN night n ON c.opened_ms < n.until_ms
    AND greatest(c.stood_until_ms, c.opened_ms, c.ended_ms) >= n.from_ms
  WHERE c.counts
), line AS (
  SELECT * FROM stood
  UNION ALL SELECT n.night, s.tenant, s.place_id, s.kind, 0, 0, 0, 0, 0, s.seen_ms, 0
  FROM slot s JOIN night_slot n ON n.slot_ms = s.slot_ms
  WHERE s.kind IS NOT NULL AND n.night >= s.first_day AND (s.drawn_now OR n.night <= s.last_day)
  UNION ALL SELECT n.night, z.tenant, z.place_id, z.kind, 0, 0, 0, 0, 0, 0, n.until_ms - n.from_ms
  FROM zone_hours z JOIN night n ON n.night = z.day WHERE z.kind IS NOT NULL AND z.asked_ms > 0
), place AS (
  SELECT night, tenant, place_id, kind, CAST(sum(cases) AS BIGINT) AS cases, CAST(sum(opened) AS BIGINT) AS opened,
    CAST(sum(cleared) AS BIGINT) AS cleared, CAST(sum(left_standing) AS BIGINT) AS left_standing,
    CAST(sum(stood_ms) AS BIGINT) AS stood_ms, CAST(sum(seen_ms) AS BIGINT) AS seen_ms,
    CAST(sum(asked_ms) AS BIGINT) AS asked_ms
  FROM line GROUP BY night, tenant, place_id, kind
)
SELECT * FROM place WHERE cases > 0
UNION ALL SELECT night, tenant, NULL, kind, CAST(sum(cases) AS BIGINT), CAST(sum(opened) AS BIGINT),
  CAST(sum(cleared) AS BIGINT), CAST(sum(left_standing) AS BIGINT), CAST(sum(stood_ms) AS BIGINT),
  CAST(sum(seen_ms) AS BIGINT), CAST(sum(asked_ms) AS BIGINT)
FROM place GROUP BY night, tenant, kind
