-- Per place, day of the week and hour: how many stalls' cases opened, for how long stalls stood, and for how long
-- the place is known to have been seen (by signs of life; without a connection there are none).
, line AS (
  SELECT c.tenant, c.place_id, h.weekday, h.hour,
    sum(CASE WHEN c.opened_ms >= h.from_ms AND c.opened_ms < h.until_ms THEN 1 ELSE 0 END) AS opened,
    sum(greatest(least(c.stood_until_ms, h.until_ms) - greatest(c.began_ms, h.from_ms), 0)) AS stood_ms,
    0 AS seen_ms, 0 AS asked_ms
  FROM matters c
  JOIN day d ON least(c.began_ms, c.opened_ms) < d.until_ms AND greatest(c.stood_until_ms, c.opened_ms) >= d.from_ms
  JOIN hour h ON h.day = d.day
    AND least(c.began_ms, c.opened_ms) < h.until_ms AND greatest(c.stood_until_ms, c.opened_ms) >= h.from_ms
  WHERE c.counts AND c.kind = 'street_vending' GROUP BY c.tenant, c.place_id, h.weekday, h.hour
  UNION ALL SELECT s.tenant, s.place_id, h.weekday, h.hour, 0, 0, sum(s.seen_ms), 0
  FROM slot s JOIN hour_slot h ON h.slot_ms = s.slot_ms
  WHERE s.kind = 'street_vending' AND h.day >= s.first_day AND (s.drawn_now OR h.day <= s.last_day)
  GROUP BY s.tenant, s.place_id, h.weekday, h.hour
  UNION ALL SELECT z.tenant, z.place_id, h.weekday, h.hour, 0, 0, 0, sum(z.zones * (h.until_ms - h.from_ms))
  FROM (
    SELECT tenant, place_id, day, count(*) AS zones FROM zone_hours
    WHERE kind = 'street_vending' AND asked_ms > 0 GROUP BY tenant, place_id, day
  ) AS z JOIN hour h ON h.day = z.day GROUP BY z.tenant, z.place_id, h.weekday, h.hour
)
SELECT tenant, place_id, weekday, hour, CAST(sum(opened) AS BIGINT) AS opened,
  CAST(sum(stood_ms) AS BIGINT) AS stood_ms, CAST(sum(seen_ms) AS BIGINT) AS seen_ms,
  CAST(sum(asked_ms) AS BIGINT) AS asked_ms
FROM line GROUP BY tenant, place_id, weekday, hour
HAVING sum(opened) + sum(stood_ms) + sum(seen_ms) + sum(asked_ms) > 0
