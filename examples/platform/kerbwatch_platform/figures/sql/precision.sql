-- Per zone and kind: of the cases that opened in the period, what reviewers found.
, line AS (
  SELECT c.tenant, c.device, c.zone_id, c.place_id, c.kind, 1 AS reported,
    CASE WHEN c.verdict = 'valid' THEN 1 ELSE 0 END AS valid,
    CASE WHEN c.verdict = 'false' THEN 1 ELSE 0 END AS false_alarms,
    CASE WHEN c.verdict = 'duplicate' THEN 1 ELSE 0 END AS duplicates, 0 AS seen_ms, 0 AS asked_ms
  FROM matters c CROSS JOIN asked a WHERE c.opened_ms >= a.from_ms AND c.opened_ms < a.until_ms
  UNION ALL SELECT tenant, device, zone_id, place_id, kind, 0, 0, 0, 0, seen_ms, asked_ms
  FROM zone_hours WHERE kind IS NOT NULL
)
SELECT tenant, device, zone_id, place_id, kind, CAST(sum(reported) AS BIGINT) AS reported,
  CAST(sum(valid) AS BIGINT) AS valid, CAST(sum(false_alarms) AS BIGINT) AS false_alarms,
  CAST(sum(duplicates) AS BIGINT) AS duplicates, CAST(sum(seen_ms) AS BIGINT) AS seen_ms,
  CAST(sum(asked_ms) AS BIGINT) AS asked_ms
FROM line GROUP BY tenant, device, zone_id, place_id, kind
