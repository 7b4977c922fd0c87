-- Per responsible unit: what it let stand, and how long it took. The time to clear is that of the cases cleared
-- in the period, whole; the minutes are cut at its ends. Median and p90 are by nearest rank.
, matter AS (
  SELECT c.*, a.from_ms, a.until_ms FROM matters c CROSS JOIN asked a
  WHERE c.counts AND c.kind IN ('overflowing_bin', 'exposed_rubbish')
), ranked AS (
  SELECT tenant, unit, kind, ended_ms - opened_ms AS took_ms, sla_ms,
    row_number() OVER (PARTITION BY tenant, unit, kind ORDER BY ended_ms - opened_ms) AS nth,
    count(*) OVER (PARTITION BY tenant, unit, kind) AS n
  FROM matter WHERE ended = 'cleared' AND ended_ms >= from_ms AND ended_ms < until_ms AND opened_ms IS NOT NULL
), line AS (
  SELECT tenant, unit, kind, sum(CASE WHEN opened_ms >= from_ms AND opened_ms < until_ms THEN 1 ELSE 0 END) AS opened,
    sum(CASE WHEN opened_ms < until_ms AND (ended = 'open' OR ended_ms >= until_ms) THEN 1 ELSE 0 END) AS standing,
    sum(CASE WHEN ended IN ('withdrawn', 'taken_back') AND ended_ms >= from_ms AND ended_ms < until_ms
      THEN 1 ELSE 0 END) AS otherwise,
    sum(greatest(least(stood_until_ms, until_ms) - greatest(began_ms, from_ms), 0)) AS stood_ms,
    0 AS cleared, 0 AS with_sla, 0 AS within_sla, NULL AS median_ms, NULL AS p90_ms, NULL AS longest_ms,
    0 AS seen_ms, 0 AS asked_ms
  FROM matter GROUP BY tenant, unit, kind
  UNION ALL SELECT tenant, unit, kind, 0, 0, 0, 0, count(*), count(sla_ms),
    sum(CASE WHEN took_ms <= sla_ms THEN 1 ELSE 0 END), min(CASE WHEN 2 * nth >= n THEN took_ms END),
    min(CASE WHEN 10 * nth >= 9 * n THEN took_ms END), max(took_ms), 0, 0
  FROM ranked GROUP BY tenant, unit, kind
  UNION ALL SELECT tenant, unit, kind, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, sum(seen_ms), sum(asked_ms)
  FROM zone_hours WHERE kind IN ('overflowing_bin', 'exposed_rubbish') GROUP BY tenant, unit, kind
)
SELECT tenant, unit, kind, CAST(sum(opened) AS BIGINT) AS opened, CAST(sum(cleared) AS BIGINT) AS cleared,
  CAST(sum(standing) AS BIGINT) AS standing, CAST(sum(otherwise) AS BIGINT) AS otherwise,
  CAST(sum(stood_ms) AS BIGINT) AS stood_ms, CAST(max(median_ms) AS BIGINT) AS median_ms,
  CAST(max(p90_ms) AS BIGINT) AS p90_ms, CAST(max(longest_ms) AS BIGINT) AS longest_ms,
  CAST(sum(with_sla) AS BIGINT) AS with_sla, CAST(sum(within_sla) AS BIGINT) AS within_sla,
  CAST(sum(seen_ms) AS BIGINT) AS seen_ms, CAST(sum(asked_ms) AS BIGINT) AS asked_ms
FROM line GROUP BY tenant, unit, kind
