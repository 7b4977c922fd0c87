-- Five questions of a desk. Given are the period, from :from_s to :until_s in seconds since 1970 and
-- from :from_day to :until_day as local days (both included), and :now_s. No test event counts anywhere.

-- open_now: what stands now, oldest first. Where `not_seen_because` is given, nobody knows whether it still
-- does. `unknown`: the device's newest list of open cases does not name it.
SELECT c.tenant, c.device, c.case_id, c.kind, c.place_id, c.address, c.unit,
  round(:now_s - c.opened_s) AS open_for_s, c.not_seen_because, u.case_id IS NOT NULL AS unknown
FROM case_now c LEFT JOIN unknown_case u
  ON (u.tenant, u.device, u.case_id) = (c.tenant, c.device, c.case_id)
WHERE c.state = 'open' ORDER BY c.opened_s, c.case_id;

-- time_to_clear: how long each responsible unit took. A case that the verifier ended, or that was withdrawn,
-- was cleared by nobody and is left out.
SELECT unit, kind, count(*) AS cleared, round(avg(cleared_s - opened_s)) AS mean_s,
  round(max(cleared_s - opened_s)) AS longest_s,
  sum(CASE WHEN cleared_s - opened_s <= sla_s THEN 1 ELSE 0 END) AS within_sla,
  count(sla_s) AS with_sla
FROM case_now
WHERE state = 'cleared' AND coalesce(ended_by, '') <> 'verifier'
  AND cleared_s >= :from_s AND cleared_s < :until_s
GROUP BY unit, kind ORDER BY unit, kind;

-- operator_minutes: how long each operator's bikes stood misparked. In all, and for each hour in which a
-- camera could see a zone where bikes are forbidden.
WITH stay AS (
  SELECT coalesce(operator, 'unknown') AS operator,
    CASE WHEN since_s > :from_s THEN since_s ELSE :from_s END AS since_s,
    CASE WHEN until_s < :until_s THEN until_s ELSE :until_s END AS until_s
  FROM member_now WHERE kind = 'misparked_bike'
), seen AS (
  SELECT sum(sensing_s) / 3600 AS hours FROM zone_day
  WHERE kind = 'no_parking' AND day BETWEEN :from_day AND :until_day
)
SELECT operator, count(*) AS bikes, round(sum(until_s - since_s) / 60) AS minutes,
  round((SELECT hours FROM seen)) AS camera_hours,
  CASE WHEN (SELECT hours FROM seen) > 0
    THEN round(sum(until_s - since_s) / 60 / (SELECT hours FROM seen) * 100) / 100 END AS minutes_per_hour
FROM stay WHERE until_s > since_s GROUP BY operator ORDER BY minutes DESC, operator;

-- hot_spots: where the same kind of matter comes again, and how long it stood there in all.
SELECT tenant, place_id, kind, min(address) AS address, count(*) AS cases,
  round(sum(coalesce(cleared_s, last_present_s) - opened_s)) AS stood_s
FROM case_now
WHERE state <> 'withdrawn' AND opened_s >= :from_s AND opened_s < :until_s
GROUP BY tenant, place_id, kind ORDER BY cases DESC, stood_s DESC, place_id;

-- blind_cameras: which cannot see now, and why; and how long each was blind in the period. A device that has
-- given no sign of life for fifteen minutes is silent: of its cameras nothing is known.
WITH hours AS (
  SELECT tenant, device, camera_id, round(sum(blind_s + abstained_s)) AS not_seeing_s,
    round(sum(sensing_s)) AS seeing_s
  FROM zone_day WHERE day BETWEEN :from_day AND :until_day GROUP BY tenant, device, camera_id
)
SELECT c.tenant, c.device, c.camera_id,
  CASE WHEN b.occurred_s IS NULL OR b.occurred_s < :now_s - 900 THEN 'silent'
    WHEN v.view IS NOT NULL AND v.view <> 'good' THEN v.view
    WHEN c.width_px IS NULL THEN 'no_picture_yet' END AS now_because, h.not_seeing_s, h.seeing_s
FROM camera_now c
LEFT JOIN heartbeat_now b ON (b.tenant, b.device) = (c.tenant, c.device)
LEFT JOIN view_now v ON (v.tenant, v.device, v.camera_id) = (c.tenant, c.device, c.camera_id)
LEFT JOIN hours h ON (h.tenant, h.device, h.camera_id) = (c.tenant, c.device, c.camera_id)
ORDER BY c.tenant, c.device, c.camera_id;
