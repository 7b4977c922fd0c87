-- Views of the contract over those of 01_model.sql; made from sqlite.sql by `python -m tests.support.dialects`.

CREATE VIEW closed AS
SELECT tenant, device, predecessor AS epoch, max(last_sequence) AS last_sequence,
  min(because) AS because, count(DISTINCT CASE WHEN sequence = 1 THEN epoch END) AS successors
FROM birth WHERE predecessor IS NOT NULL AND predecessor <> epoch
GROUP BY tenant, device, predecessor;

-- Two cards with one memory, which shows in one of two ways: two epochs begin with the same predecessor (successors), or
-- one card begins an epoch, and the other goes on in the old one above the number at which that had ended, and later
-- (goes_on: so many events). Both conditions: a clock that nobody set says nothing of a card whose numbers end there,
-- and what a card that was set back had told before it lies before. A birth under a later number than 1 tells of a
-- further connection, and may have been carried into an epoch that is not its own.
CREATE VIEW cloned AS
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

CREATE VIEW settled AS
SELECT tenant, device, epoch, sequence AS first, sequence AS last FROM numbered
UNION ALL SELECT tenant, device, epoch, first, last FROM lost
UNION ALL SELECT tenant, device, epoch, sequence, sequence FROM refused;

-- Every number that is missing, and what is known of it:
--   awaited   the epoch goes on: it is still on its way, or was lost here (send `resend`)
--   moved     it waited when its epoch ended: its event comes under a number of the next epoch
--   set_back  above the last number that the device knew of: its database had been set back. What the
--             platform has not got of these nobody can send
--   unknown   the epoch before could not be read: how far it went nobody can say
CREATE VIEW missing AS
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
CREATE VIEW moved AS
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
CREATE VIEW conflicting AS
SELECT tenant, device, epoch, sequence, event_id FROM conflict c WHERE NOT EXISTS (
  SELECT 1 FROM numbered n WHERE (n.tenant, n.device, n.event_id) = (c.tenant, c.device, c.event_id));

CREATE VIEW view_now AS
SELECT h.tenant, h.device, v.key AS camera_id, v.value->>'view' AS view, h.occurred_s
FROM heartbeat_now h CROSS JOIN members(h.views) AS v WHERE v.type = 'object';
