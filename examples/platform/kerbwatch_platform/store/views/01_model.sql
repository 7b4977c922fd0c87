-- The contract's views, with the names and columns of docs/platform/data-model.md: those that are not the same in every
-- dialect (02_contract.sql has the others). What they would read out of JSON at every question stands in the tables of
-- migrations/versions/0001_typed.sql.

-- Completeness ------------------------------------------------------------------------------------------

-- Which epoch went before which, as births say.
CREATE VIEW birth AS
SELECT b.tenant, b.device, b.event_id, n.epoch, n.sequence, b.because, b.predecessor, b.last_sequence, b.carried,
  b.occurred_s
FROM typed_birth b JOIN numbered n ON (n.tenant, n.device, n.event_id) = (b.tenant, b.device, b.event_id);

-- What is settled, as stretches without a gap; each epoch begins with the stretch from 0. What the receipts have found
-- is not counted again, and what is not among it is looked up gap by gap (OFFSET 0), epoch by epoch.
CREATE VIEW stretch AS
WITH known AS (
  SELECT tenant, device, epoch, 0::bigint AS first, through AS last FROM receipted
  UNION ALL SELECT r.tenant, r.device, r.epoch, lower(kept), upper(kept) - 1
    FROM receipted r CROSS JOIN LATERAL unnest(r.stretches) AS kept
  UNION ALL SELECT r.tenant, r.device, r.epoch, n.number, n.number
    FROM receipted r CROSS JOIN LATERAL unnest(unsettled(r.through, r.stretches)) AS gap
    CROSS JOIN LATERAL (
      SELECT n.sequence FROM numbered n WHERE (n.tenant, n.device, n.epoch) = (r.tenant, r.device, r.epoch)
        AND n.sequence >= lower(gap) AND n.sequence < upper(gap)
      UNION ALL SELECT f.sequence FROM refused f WHERE (f.tenant, f.device, f.epoch) = (r.tenant, r.device, r.epoch)
        AND f.sequence >= lower(gap) AND f.sequence < upper(gap)
      OFFSET 0) AS n(number)
  UNION ALL SELECT l.tenant, l.device, l.epoch, l.first, l.last
    FROM receipted r JOIN lost l USING (tenant, device, epoch) WHERE l.last > r.through
  UNION ALL SELECT tenant, device, predecessor, 0, 0 FROM birth
    WHERE predecessor IS NOT NULL AND predecessor <> epoch
), reached AS (
  SELECT known.*, max(last) OVER (PARTITION BY tenant, device, epoch ORDER BY first, last
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM known
), parted AS (
  SELECT reached.*, sum(CASE WHEN first <= before + 1 THEN 0 ELSE 1 END)
    OVER (PARTITION BY tenant, device, epoch ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS island
  FROM reached
)
SELECT tenant, device, epoch, min(first) AS first, max(last) AS last FROM parted
GROUP BY tenant, device, epoch, island;

-- Cases -------------------------------------------------------------------------------------------------

-- The newest correction of each boot's clock.
CREATE VIEW boot AS SELECT tenant, device, boot_id, zero_s FROM newest_clock;

-- When an event was, by its clock as it was set later; shift_s is what to add to the times of its body.
CREATE VIEW told AS
SELECT e.tenant, e.device, e.event_id, e.type, e.test, e.raw, e.occurred_s,
  coalesce(b.zero_s + e.monotonic_s - e.occurred_s, 0) AS shift_s, e.case_id, e.received_at
FROM event e LEFT JOIN newest_clock b
  ON (b.tenant, b.device, b.boot_id) = (e.tenant, e.device, e.boot_id);

-- raw is looked up for whoever asks for it; null once the event's month lies in the archive.
CREATE VIEW case_event AS
SELECT c.tenant, c.device, c.event_id, c.type, c.test, (
    SELECT e.raw FROM event e WHERE (e.tenant, e.device, e.event_id) = (c.tenant, c.device, c.event_id)) AS raw,
  c.case_id, c.kind, c.state, c.place_id, c.zone_id, c.camera_id, c.address, c.unit, c.sla_s, c.not_seen_because,
  c.ended_by, s.shift_s, c.occurred_s + s.shift_s AS occurred_s, c.opened_s + s.shift_s AS opened_s,
  c.last_present_s + s.shift_s AS last_present_s, c.cleared_s + s.shift_s AS cleared_s
FROM typed_case c LEFT JOIN newest_clock b ON (b.tenant, b.device, b.boot_id) = (c.tenant, c.device, c.boot_id)
CROSS JOIN LATERAL (SELECT coalesce(b.zero_s + c.monotonic_s - c.occurred_s, 0) AS shift_s) AS s;

-- Each case as it stands: what has ended has ended, whatever comes after it; else its newest event.
CREATE VIEW case_now AS
SELECT c.tenant, c.device, c.event_id, c.type, c.test, c.raw, c.case_id, c.kind, n.state, c.place_id, c.zone_id,
  c.camera_id, c.address, c.unit, c.sla_s, c.not_seen_because, c.ended_by, c.shift_s, c.occurred_s, c.opened_s,
  c.last_present_s, c.cleared_s, 1::bigint AS nth
FROM newest_case n JOIN case_event c ON (c.tenant, c.device, c.event_id) = (n.tenant, n.device, n.event_id)
WHERE NOT n.test;

-- Each stay of a member of a case, as far as it was seen; what has gone stands in `left` once.
CREATE VIEW member_now AS
SELECT tenant, device, case_id, kind, place_id, member_id, operator, since_s, until_s FROM newest_stay;

-- Open cases that the device's newest list of them (birth, summary) does not name any more: unknown.
CREATE VIEW unknown_case AS
SELECT c.tenant, c.device, c.case_id, c.kind, c.place_id, c.opened_s
FROM case_now c JOIN newest_list l ON (l.tenant, l.device) = (c.tenant, c.device)
JOIN event e ON (e.tenant, e.device, e.event_id) = (l.tenant, l.device, l.event_id)
WHERE c.state = 'open' AND c.occurred_s < l.at_s AND c.case_id NOT IN (
  SELECT o.value #>> '{}' FROM members(e.raw->'body'->'open_cases') AS o);

-- Places and hours --------------------------------------------------------------------------------------

-- The newest inventory of each device of which every part is there.
CREATE VIEW inventory_now AS
SELECT * FROM (
  SELECT whole.*, row_number() OVER (PARTITION BY tenant, device ORDER BY occurred_s DESC NULLS LAST, inventory_id DESC)
    AS nth FROM (
    SELECT t.tenant, t.device, t.inventory_id,
      max(t.occurred_s + coalesce(b.zero_s + t.monotonic_s - t.occurred_s, 0)) AS occurred_s
    FROM typed_inventory t LEFT JOIN newest_clock b
      ON (b.tenant, b.device, b.boot_id) = (t.tenant, t.device, t.boot_id)
    GROUP BY t.tenant, t.device, t.inventory_id
    HAVING count(DISTINCT t.part) = max(t.parts)
  ) AS whole
) AS by_age WHERE nth = 1;

CREATE VIEW camera_now AS
SELECT i.tenant, i.device, c.value->>'camera_id' AS camera_id,
  whole(c.value->>'width_px') AS width_px, c.value->>'view_sha256' AS view_sha256
FROM inventory_now i
JOIN typed_inventory t ON (t.tenant, t.device, t.inventory_id) = (i.tenant, i.device, i.inventory_id)
JOIN event e ON (e.tenant, e.device, e.event_id) = (t.tenant, t.device, t.event_id)
CROSS JOIN members(e.raw->'body'->'cameras') AS c WHERE c.type = 'object';

CREATE VIEW zone_now AS
SELECT i.tenant, i.device, z.value->>'zone_id' AS zone_id, z.value->>'camera_id' AS camera_id,
  z.value->>'kind' AS kind, z.value->>'place_id' AS place_id, z.value->'name'->>'zh' AS name_zh,
  z.value->'name'->>'en' AS name_en, z.value->>'address' AS address, z.value->>'grid_code' AS grid_code,
  coalesce(z.value->>'responsible_unit_id', z.value->>'responsible_unit') AS unit,
  number(z.value->>'sla_s') AS sla_s
FROM inventory_now i
JOIN typed_inventory t ON (t.tenant, t.device, t.inventory_id) = (i.tenant, i.device, i.inventory_id)
JOIN event e ON (e.tenant, e.device, e.event_id) = (t.tenant, t.device, t.event_id)
CROSS JOIN members(e.raw->'body'->'zones') AS z WHERE z.type = 'object';

-- Each zone's hours of each day: sensing_s is what to divide by. Two reports of one day add up.
CREATE VIEW zone_day AS
SELECT tenant, device, day, zone_id, place_id, camera_id, kind, sum(sensing_s) AS sensing_s,
  sum(abstained_s) AS abstained_s, sum(blind_s) AS blind_s
FROM typed_hours GROUP BY tenant, device, day, zone_id, place_id, camera_id, kind;

-- The newest sign of life of each device. One that tells changes holds against the full one that it names.
CREATE VIEW heartbeat_now AS
SELECT h.tenant, h.device, nullif(h.at_s, '-Infinity') AS occurred_s, coalesce(e.raw->'body'->'changed'->'views',
  e.raw->'body'->'views', f.raw->'body'->'views') AS views
FROM newest_sign h JOIN event e ON (e.tenant, e.device, e.event_id) = (h.tenant, h.device, h.event_id)
LEFT JOIN event f ON (f.tenant, f.device, f.event_id) = (h.tenant, h.device, e.raw->'body'->>'of');
