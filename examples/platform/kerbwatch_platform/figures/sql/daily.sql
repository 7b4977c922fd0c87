-- Per local day and kind: what opened and ended, what stood when the day was over, what reviewers found of the
-- day's cases (all of them, false ones too), and how much could be seen.
, line AS (
  SELECT d.day, c.tenant, c.kind,
    CASE WHEN c.counts AND c.opened_ms >= d.from_ms THEN 1 ELSE 0 END AS opened,
    CASE WHEN c.counts AND c.ended = 'cleared' AND c.ended_ms >= d.from_ms AND c.ended_ms < d.until_ms
      THEN 1 ELSE 0 END AS cleared,
    CASE WHEN c.counts AND c.ended IN ('withdrawn', 'taken_back') AND c.ended_ms >= d.from_ms
      AND c.ended_ms < d.until_ms THEN 1 ELSE 0 END AS otherwise,
    CASE WHEN c.counts AND (c.ended = 'open' OR c.ended_ms >= d.until_ms) THEN 1 ELSE 0 END AS standing,
    CASE WHEN c.opened_ms >= d.from_ms AND c.verdict = 'valid' THEN 1 ELSE 0 END AS valid,
    CASE WHEN c.opened_ms >= d.from_ms AND c.verdict = 'false' THEN 1 ELSE 0 END AS false_alarms,
    CASE WHEN c.opened_ms >= d.from_ms AND c.verdict = 'duplicate' THEN 1 ELSE 0 END AS duplicates,
    0 AS seen_ms, 0 AS asked_ms
  FROM matters c JOIN day d ON c.opened_ms < d.until_ms
    AND (c.ended = 'open' OR c.opened_ms >= d.from_ms OR c.ended_ms >= d.from_ms)
  CROSS JOIN asked a WHERE d.from_ms < a.now_ms
  UNION ALL SELECT day, tenant, kind, 0, 0, 0, 0, 0, 0, 0, seen_ms, asked_ms FROM zone_hours WHERE kind IS NOT NULL
)
SELECT day, tenant, kind, CAST(sum(opened) AS BIGINT) AS opened, CAST(sum(cleared) AS BIGINT) AS cleared,
  CAST(sum(otherwise) AS BIGINT) AS otherwise, CAST(sum(standing) AS BIGINT) AS standing,
  CAST(sum(valid) AS BIGINT) AS valid, CAST(sum(false_alarms) AS BIGINT) AS false_alarms,
  CAST(sum(duplicates) AS BIGINT) AS duplicates, CAST(sum(seen_ms) AS BIGINT) AS seen_ms,
  CAST(sum(asked_ms) AS BIGINT) AS asked_ms
FROM line GROUP BY day, tenant, kind
