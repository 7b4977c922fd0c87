-- Each overflow that stood in the period, with its times: what the figures per unit are made of.
SELECT c.tenant, c.unit, c.kind, c.place_id, c.address, c.device, c.case_id, c.began_ms, c.opened_ms,
  c.stood_until_ms, c.ended_ms, c.ended,
  CASE WHEN c.ended = 'cleared' THEN c.ended_ms - c.opened_ms END AS took_ms, c.sla_ms, c.not_seen_because, c.verdict
FROM matters c CROSS JOIN asked a
WHERE c.counts AND c.kind IN ('overflowing_bin', 'exposed_rubbish') AND c.opened_ms < a.until_ms
  AND (c.opened_ms >= a.from_ms OR c.stood_until_ms >= a.from_ms OR c.ended_ms >= a.from_ms)
