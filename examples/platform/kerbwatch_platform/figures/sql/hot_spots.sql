-- Where the same kind comes again: a case is `again` if it opened within so many days after the one before it at
-- that place had ended (or was last seen), and `overlapping` cases of several cameras are not.
, matter AS (
  SELECT c.tenant, c.place_id, c.kind, c.address, c.began_ms, c.opened_ms, c.stood_until_ms,
    max(coalesce(c.ended_ms, c.stood_until_ms)) OVER (PARTITION BY c.tenant, c.place_id, c.kind
      ORDER BY c.opened_ms, c.device COLLATE "C", c.case_id COLLATE "C"
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_ms
  FROM matters c WHERE c.counts AND c.ended <> 'withdrawn' AND c.opened_ms IS NOT NULL
), line AS (
  SELECT m.tenant, m.place_id, m.kind, min(m.address COLLATE "C") AS address, count(*) AS cases,
    sum(CASE WHEN m.opened_ms >= m.before_ms AND m.opened_ms - m.before_ms <= a.within_ms THEN 1 ELSE 0 END) AS again,
    min(CASE WHEN m.opened_ms >= m.before_ms THEN m.opened_ms - m.before_ms END) AS soonest_ms,
    sum(greatest(least(m.stood_until_ms, a.until_ms) - m.began_ms, 0)) AS stood_ms, 0 AS seen_ms, 0 AS asked_ms
  FROM matter m CROSS JOIN asked a WHERE m.opened_ms >= a.from_ms AND m.opened_ms < a.until_ms
  GROUP BY m.tenant, m.place_id, m.kind
  UNION ALL SELECT tenant, place_id, kind, NULL, 0, 0, NULL, 0, sum(seen_ms), sum(asked_ms)
  FROM zone_hours WHERE kind IS NOT NULL GROUP BY tenant, place_id, kind
)
SELECT tenant, place_id, kind, min(address COLLATE "C") AS address, CAST(sum(cases) AS BIGINT) AS cases,
  CAST(sum(again) AS BIGINT) AS again, CAST(min(soonest_ms) AS BIGINT) AS soonest_ms,
  CAST(sum(stood_ms) AS BIGINT) AS stood_ms, CAST(sum(seen_ms) AS BIGINT) AS seen_ms,
  CAST(sum(asked_ms) AS BIGINT) AS asked_ms
FROM line GROUP BY tenant, place_id, kind HAVING sum(cases) > 0
