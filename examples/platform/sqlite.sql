-- What a platform keeps of its devices, for SQLite 3.38 or newer. postgresql.sql is the same in PostgreSQL's
-- dialect. Tables hold what came; everything else is a view over it: what is learned to be read later
-- holds for what came before as well. Times ending in _s are seconds since 1970 (UTC), lengths are seconds.

-- Every event once, under its own id, as it came. device is the topic's, which is the event's.
CREATE TABLE IF NOT EXISTS event (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT NOT NULL,
  type TEXT NOT NULL, test BOOLEAN NOT NULL, raw JSONB NOT NULL,
  PRIMARY KEY (tenant, device, event_id)
);
CREATE INDEX IF NOT EXISTS event_of_type ON event (type, tenant, device);

-- Every number that came, and whose it is: one event has several numbers when its epoch ended before the
-- device knew that it had arrived.
CREATE TABLE IF NOT EXISTS numbered (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  event_id TEXT NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence)
);
CREATE INDEX IF NOT EXISTS numbers_of_event ON numbered (tenant, device, event_id);

-- Another event under a number that was somebody's already: the card was set back, or there are two of it.
CREATE TABLE IF NOT EXISTS conflict (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  event_id TEXT NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence, event_id)
);

-- The key that a device signs with: that of the first birth that came. A later one with another key changes
-- nothing; where a device rightly has a new one (a new card), a person deletes its row.
CREATE TABLE IF NOT EXISTS device_key (
  tenant TEXT NOT NULL, device TEXT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (tenant, device)
);

-- Numbers that a loss report names, signed with that key: they will never come, and the device says why.
CREATE TABLE IF NOT EXISTS lost (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, first BIGINT NOT NULL,
  last BIGINT NOT NULL, lane TEXT, reason TEXT, report TEXT NOT NULL,
  PRIMARY KEY (tenant, device, epoch, first, last, report)
);

-- Numbers whose event broke the envelope: told to the device by code, kept as they came.
CREATE TABLE IF NOT EXISTS refused (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  code TEXT NOT NULL, raw TEXT NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence)
);

-- What has no number that could be told: a person looks. It is kept once, however often it comes.
CREATE TABLE IF NOT EXISTS set_aside (
  topic TEXT NOT NULL, sha256 TEXT NOT NULL, why TEXT NOT NULL, payload BYTEA NOT NULL,
  PRIMARY KEY (topic, sha256)
);

-- The receipts' state: up to where an epoch has no gap, so that no receipt counts from 1 again.
CREATE TABLE IF NOT EXISTS receipted (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, through BIGINT NOT NULL,
  PRIMARY KEY (tenant, device, epoch)
);

-- Pieces of pictures that are not whole yet, as they came; first is where in the picture a piece begins.
CREATE TABLE IF NOT EXISTS picture_piece (
  tenant TEXT NOT NULL, device TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL,
  first BIGINT NOT NULL, content BYTEA NOT NULL,
  PRIMARY KEY (tenant, device, sha256, size_bytes, first)
);

-- Redacted pictures that came whole and are what their SHA-256 says. A large platform keeps content elsewhere.
CREATE TABLE IF NOT EXISTS picture (
  tenant TEXT NOT NULL, device TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (tenant, device, sha256)
);

-- Completeness ------------------------------------------------------------------------------------------

-- Which epoch went before which, as births say. An epoch is closed when a birth names it.
CREATE VIEW IF NOT EXISTS birth AS
SELECT e.tenant, e.device, e.event_id, n.epoch, n.sequence,
  e.raw->'body'->>'because' AS because,
  e.raw->'body'->'predecessor'->>'epoch' AS predecessor,
  CAST(e.raw->'body'->'predecessor'->>'last_sequence' AS BIGINT) AS last_sequence,
  CAST(e.raw->'body'->>'carried' AS BIGINT) AS carried,
  (julianday(e.raw->>'occurred_at') - 2440587.5) * 86400 AS occurred_s
FROM event e JOIN numbered n ON (n.tenant, n.device, n.event_id) = (e.tenant, e.device, e.event_id)
WHERE e.type = 'device.birth';

CREATE VIEW IF NOT EXISTS closed AS
SELECT tenant, device, predecessor AS epoch, max(last_sequence) AS last_sequence,
  min(because) AS because, count(DISTINCT CASE WHEN sequence = 1 THEN epoch END) AS successors
FROM birth WHERE predecessor IS NOT NULL AND predecessor <> epoch
GROUP BY tenant, device, predecessor;

CREATE VIEW IF NOT EXISTS settled AS
SELECT tenant, device, epoch, sequence AS first, sequence AS last FROM numbered
UNION ALL SELECT tenant, device, epoch, first, last FROM lost
UNION ALL SELECT tenant, device, epoch, sequence, sequence FROM refused;

-- What is settled, as stretches without a gap; each epoch begins with the stretch 0–0.
CREATE VIEW IF NOT EXISTS stretch AS
WITH known AS (
  SELECT tenant, device, epoch, first, last FROM settled
  UNION ALL SELECT DISTINCT tenant, device, epoch, 0, 0 FROM settled
  UNION ALL SELECT tenant, device, epoch, 0, 0 FROM closed
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

-- Every number that is missing, and what is known of it:
--   awaited   the epoch goes on: it is still on its way, or was lost here (send `resend`)
--   moved     it waited when its epoch ended: its event comes under a number of the next epoch
--   set_back  above the last number that the device knew of: its database had been set back. What the
--             platform has not got of these nobody can send
--   unknown   the epoch before could not be read: how far it went nobody can say
CREATE VIEW IF NOT EXISTS missing AS
WITH gap AS (
  SELECT tenant, device, epoch, last + 1 AS first,
    lead(first) OVER (PARTITION BY tenant, device, epoch ORDER BY first) - 1 AS last FROM stretch
), ended AS (
  SELECT gap.tenant, gap.device, gap.epoch, gap.first, coalesce(gap.last, c.last_sequence) AS last,
    c.epoch IS NOT NULL AS is_closed, c.last_sequence
  FROM gap LEFT JOIN closed c ON (c.tenant, c.device, c.epoch) = (gap.tenant, gap.device, gap.epoch)
)
SELECT tenant, device, epoch, first, last, 'awaited' AS why FROM ended
  WHERE NOT is_closed AND last >= first
UNION ALL SELECT tenant, device, epoch, first, last, 'unknown' FROM ended
  WHERE is_closed AND last_sequence IS NULL AND last >= first
UNION ALL SELECT tenant, device, epoch, first,
    CASE WHEN last < last_sequence THEN last ELSE last_sequence END, 'moved' FROM ended
  WHERE is_closed AND first <= last_sequence AND last >= first
UNION ALL SELECT tenant, device, epoch,
    CASE WHEN first > last_sequence THEN first ELSE last_sequence + 1 END, last, 'set_back' FROM ended
  WHERE is_closed AND last > last_sequence;

-- Whether what waited when an epoch ended has come: `gone` are its numbers that are neither there nor named,
-- `came` the events that the next epoch carried (numbers 2 to carried + 1) and that have no number in it.
CREATE VIEW IF NOT EXISTS moved AS
SELECT b.tenant, b.device, b.predecessor AS epoch, b.epoch AS successor, (
    SELECT coalesce(sum(m.last - m.first + 1), 0) FROM missing m
    WHERE (m.tenant, m.device, m.epoch, m.why) = (b.tenant, b.device, b.predecessor, 'moved')
  ) AS gone, (
    SELECT count(*) FROM numbered n
    WHERE (n.tenant, n.device, n.epoch) = (b.tenant, b.device, b.epoch)
      AND n.sequence BETWEEN 2 AND b.carried + 1 AND NOT EXISTS (
        SELECT 1 FROM numbered o WHERE (o.tenant, o.device, o.epoch, o.event_id)
          = (n.tenant, n.device, b.predecessor, n.event_id))
  ) AS came
FROM birth b WHERE b.sequence = 1 AND b.predecessor IS NOT NULL AND b.carried IS NOT NULL;

-- Conflicts that stand: the other event has not come under a number of its own.
CREATE VIEW IF NOT EXISTS conflicting AS
SELECT tenant, device, epoch, sequence, event_id FROM conflict c WHERE NOT EXISTS (
  SELECT 1 FROM numbered n WHERE (n.tenant, n.device, n.event_id) = (c.tenant, c.device, c.event_id));

-- Cases -------------------------------------------------------------------------------------------------
-- What is told of what has no id of the contract's length, or no time, decides nothing.

-- The newest correction of each boot's clock.
CREATE VIEW IF NOT EXISTS boot AS
SELECT tenant, device, boot_id, zero_s FROM (
  SELECT tenant, device, raw->'body'->>'boot_id' AS boot_id,
    (julianday(raw->'body'->>'zero_at') - 2440587.5) * 86400 AS zero_s,
    row_number() OVER (PARTITION BY tenant, device, raw->'body'->>'boot_id'
      ORDER BY CAST(raw->'clock'->>'monotonic_s' AS REAL) DESC NULLS LAST, event_id DESC) AS nth
  FROM event WHERE type = 'device.clock' AND length(raw->'body'->>'boot_id') BETWEEN 1 AND 64
) AS corrections WHERE nth = 1;

-- When an event was, by its clock as it was set later; shift_s is what to add to the times of its body.
CREATE VIEW IF NOT EXISTS told AS
SELECT e.tenant, e.device, e.event_id, e.type, e.test, e.raw,
  (julianday(e.raw->>'occurred_at') - 2440587.5) * 86400 AS occurred_s,
  coalesce(b.zero_s + CAST(e.raw->'clock'->>'monotonic_s' AS REAL)
    - (julianday(e.raw->>'occurred_at') - 2440587.5) * 86400, 0) AS shift_s
FROM event e LEFT JOIN boot b
  ON (b.tenant, b.device, b.boot_id) = (e.tenant, e.device, e.raw->'clock'->>'boot_id');

-- Two cards with one memory, which shows in one of two ways: two epochs begin with the same predecessor (successors), or
-- one card begins an epoch, and the other goes on in the old one above the number at which that had ended, and later
-- (goes_on: so many events). Both conditions: a clock that nobody set says nothing of a card whose numbers end there,
-- and what a card that was set back had told before it lies before. A birth under a later number than 1 tells of a
-- further connection, and may have been carried into an epoch that is not its own.
CREATE VIEW IF NOT EXISTS cloned AS
SELECT tenant, device, epoch, successors, goes_on FROM (
  SELECT c.tenant, c.device, c.epoch, c.successors, (
    SELECT count(DISTINCT t.event_id) FROM birth b
      JOIN told s ON (s.tenant, s.device, s.event_id) = (b.tenant, b.device, b.event_id)
      JOIN numbered n ON (n.tenant, n.device, n.epoch) = (b.tenant, b.device, b.predecessor)
        AND n.sequence > b.last_sequence
      JOIN told t ON (t.tenant, t.device, t.event_id) = (n.tenant, n.device, n.event_id)
    WHERE (b.tenant, b.device, b.predecessor, b.sequence) = (c.tenant, c.device, c.epoch, 1)
      AND t.occurred_s + t.shift_s > s.occurred_s + s.shift_s + 1
  ) AS goes_on FROM closed c
) AS continued WHERE successors > 1 OR goes_on > 0;

CREATE VIEW IF NOT EXISTS case_event AS
SELECT tenant, device, event_id, type, test, raw,
  raw->'body'->>'case_id' AS case_id, raw->'body'->>'kind' AS kind, raw->'body'->>'state' AS state,
  raw->'body'->'place'->>'place_id' AS place_id, raw->'body'->'place'->>'zone_id' AS zone_id,
  raw->'body'->'place'->>'camera_id' AS camera_id, raw->'body'->'place'->>'address' AS address,
  coalesce(raw->'body'->'place'->>'responsible_unit_id', raw->'body'->'place'->>'responsible_unit') AS unit,
  CAST(raw->'body'->'place'->>'sla_s' AS REAL) AS sla_s,
  raw->'body'->'abstention'->>'because' AS not_seen_because,
  raw->'body'->'reason'->>'ended_by' AS ended_by, shift_s,
  occurred_s + shift_s AS occurred_s,
  (julianday(raw->'body'->>'opened_at') - 2440587.5) * 86400 + shift_s AS opened_s,
  (julianday(raw->'body'->>'last_present_at') - 2440587.5) * 86400 + shift_s AS last_present_s,
  (julianday(raw->'body'->>'cleared_at') - 2440587.5) * 86400 + shift_s AS cleared_s
FROM told WHERE type LIKE 'case.%' AND length(raw->'body'->>'case_id') BETWEEN 1 AND 64;

-- Each case as it stands: what has ended has ended, whatever comes after it; else its newest event.
CREATE VIEW IF NOT EXISTS case_now AS
SELECT * FROM (
  SELECT c.*, row_number() OVER (PARTITION BY tenant, device, case_id
    ORDER BY CASE WHEN state = 'open' THEN 1 ELSE 0 END, occurred_s DESC NULLS LAST, event_id DESC) AS nth
  FROM case_event c
) AS by_age WHERE nth = 1 AND NOT test;

-- Each stay of a member of a case, as far as it was seen; what has gone stands in `left` once. `since` may be
-- later in a later event: time in which nobody could see it is left out.
CREATE VIEW IF NOT EXISTS member_now AS
SELECT tenant, device, case_id, kind, place_id, member_id, operator, since_s, until_s FROM (
  SELECT stays.*, row_number() OVER (PARTITION BY tenant, device, case_id, member_id
    ORDER BY gone DESC, occurred_s DESC NULLS LAST, event_id DESC,  -- and of one that is named twice, always the same
      since_s DESC NULLS LAST, until_s DESC NULLS LAST, operator DESC NULLS LAST) AS nth
  FROM (
    SELECT c.tenant, c.device, c.event_id, c.case_id, c.kind, c.place_id, c.occurred_s, 0 AS gone,
      m.value->>'member_id' AS member_id, m.value->>'operator' AS operator,
      (julianday(m.value->>'since') - 2440587.5) * 86400 + c.shift_s AS since_s,
      coalesce((julianday(m.value->>'last_present_at') - 2440587.5) * 86400 + c.shift_s, c.last_present_s)
        AS until_s
    FROM case_event c CROSS JOIN json_each(c.raw->'body'->'members') AS m
    WHERE m.type = 'object' AND NOT c.test
    UNION ALL
    SELECT c.tenant, c.device, c.event_id, c.case_id, c.kind, c.place_id, c.occurred_s, 1,
      m.value->>'member_id', m.value->>'operator',
      (julianday(m.value->>'since') - 2440587.5) * 86400 + c.shift_s,
      (julianday(m.value->>'until') - 2440587.5) * 86400 + c.shift_s
    FROM case_event c CROSS JOIN json_each(c.raw->'body'->'left') AS m
    WHERE m.type = 'object' AND NOT c.test
  ) AS stays WHERE length(member_id) BETWEEN 1 AND 64
) AS by_age WHERE nth = 1;

-- Open cases that the device's newest list of them (birth, summary) does not name any more: unknown.
CREATE VIEW IF NOT EXISTS unknown_case AS
WITH listed AS (
  SELECT tenant, device, event_id, raw, occurred_s + shift_s AS occurred_s,
    row_number() OVER (PARTITION BY tenant, device
      ORDER BY occurred_s + shift_s DESC NULLS LAST, event_id DESC) AS nth
  FROM told WHERE type IN ('device.birth', 'device.summary') AND raw->'body'->'open_cases' IS NOT NULL
)
SELECT c.tenant, c.device, c.case_id, c.kind, c.place_id, c.opened_s
FROM case_now c JOIN listed l ON (l.tenant, l.device, l.nth) = (c.tenant, c.device, 1)
WHERE c.state = 'open' AND c.occurred_s < l.occurred_s AND c.case_id NOT IN (
  SELECT CAST(o.value AS TEXT) FROM json_each(l.raw->'body'->'open_cases') AS o);

-- Places and hours --------------------------------------------------------------------------------------

-- The newest inventory of each device of which every part is there.
CREATE VIEW IF NOT EXISTS inventory_now AS
SELECT * FROM (
  SELECT whole.*, row_number() OVER (PARTITION BY tenant, device
    ORDER BY occurred_s DESC NULLS LAST, inventory_id DESC) AS nth FROM (
    SELECT tenant, device, raw->'body'->>'inventory_id' AS inventory_id,
      max(occurred_s + shift_s) AS occurred_s
    FROM told WHERE type = 'device.inventory' GROUP BY tenant, device, raw->'body'->>'inventory_id'
    HAVING count(DISTINCT raw->'body'->>'part') = max(CAST(raw->'body'->>'parts' AS BIGINT))
  ) AS whole
) AS by_age WHERE nth = 1;

CREATE VIEW IF NOT EXISTS camera_now AS
SELECT i.tenant, i.device, c.value->>'camera_id' AS camera_id,
  CAST(c.value->>'width_px' AS BIGINT) AS width_px, c.value->>'view_sha256' AS view_sha256
FROM inventory_now i JOIN told t ON t.type = 'device.inventory' AND (t.tenant, t.device) = (i.tenant, i.device)
  AND t.raw->'body'->>'inventory_id' = i.inventory_id
CROSS JOIN json_each(t.raw->'body'->'cameras') AS c WHERE c.type = 'object';

CREATE VIEW IF NOT EXISTS zone_now AS
SELECT i.tenant, i.device, z.value->>'zone_id' AS zone_id, z.value->>'camera_id' AS camera_id,
  z.value->>'kind' AS kind, z.value->>'place_id' AS place_id, z.value->'name'->>'zh' AS name_zh,
  z.value->'name'->>'en' AS name_en, z.value->>'address' AS address, z.value->>'grid_code' AS grid_code,
  coalesce(z.value->>'responsible_unit_id', z.value->>'responsible_unit') AS unit,
  CAST(z.value->>'sla_s' AS REAL) AS sla_s
FROM inventory_now i JOIN told t ON t.type = 'device.inventory' AND (t.tenant, t.device) = (i.tenant, i.device)
  AND t.raw->'body'->>'inventory_id' = i.inventory_id
CROSS JOIN json_each(t.raw->'body'->'zones') AS z WHERE z.type = 'object';

-- Each zone's hours of each day: sensing_s is what to divide by. Two reports of one day add up.
CREATE VIEW IF NOT EXISTS zone_day AS
SELECT t.tenant, t.device, t.raw->'body'->>'day' AS day, z.value->>'zone_id' AS zone_id,
  z.value->>'place_id' AS place_id, z.value->>'camera_id' AS camera_id, z.value->>'zone_kind' AS kind,
  sum(CAST(z.value->>'sensing_s' AS REAL)) AS sensing_s,
  sum(CAST(z.value->>'abstained_s' AS REAL)) AS abstained_s,
  sum(CAST(z.value->>'blind_s' AS REAL)) AS blind_s
FROM told t CROSS JOIN json_each(t.raw->'body'->'zones') AS z
WHERE t.type = 'device.summary' AND z.type = 'object' AND NOT t.test
GROUP BY t.tenant, t.device, t.raw->'body'->>'day', z.value->>'zone_id', z.value->>'place_id',
  z.value->>'camera_id', z.value->>'zone_kind';

-- The newest sign of life of each device. One that tells changes holds against the full one that it names.
CREATE VIEW IF NOT EXISTS heartbeat_now AS
SELECT h.tenant, h.device, h.occurred_s, coalesce(h.raw->'body'->'changed'->'views',
  h.raw->'body'->'views', f.raw->'body'->'views') AS views
FROM (
  SELECT tenant, device, raw, occurred_s + shift_s AS occurred_s,
    row_number() OVER (PARTITION BY tenant, device
      ORDER BY occurred_s + shift_s DESC NULLS LAST, event_id DESC) AS nth
  FROM told WHERE type IN ('device.heartbeat', 'device.changes')
) AS h LEFT JOIN event f
  ON (f.tenant, f.device, f.event_id) = (h.tenant, h.device, h.raw->'body'->>'of')
WHERE h.nth = 1;

CREATE VIEW IF NOT EXISTS view_now AS
SELECT h.tenant, h.device, v.key AS camera_id, v.value->>'view' AS view, h.occurred_s
FROM heartbeat_now h CROSS JOIN json_each(h.views) AS v WHERE v.type = 'object';
