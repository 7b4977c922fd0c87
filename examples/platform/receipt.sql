-- What a receipt says of one epoch: the first row ends with `contiguous_through`, each further one is a
-- range. Settled is what is stored, named in a loss report, or refused. :tenant, :device and :epoch are given.
WITH sent AS (
  SELECT coalesce(max(through), 0) AS through FROM receipted
  WHERE tenant = :tenant AND device = :device AND epoch = :epoch
), settled AS (
  SELECT 0 AS first, through AS last FROM sent
  UNION ALL SELECT sequence, sequence FROM numbered
    WHERE tenant = :tenant AND device = :device AND epoch = :epoch
      AND sequence > (SELECT through FROM sent)
  UNION ALL SELECT first, last FROM lost
    WHERE tenant = :tenant AND device = :device AND epoch = :epoch
      AND last > (SELECT through FROM sent)
  UNION ALL SELECT sequence, sequence FROM refused
    WHERE tenant = :tenant AND device = :device AND epoch = :epoch
      AND sequence > (SELECT through FROM sent)
), reached AS (
  SELECT first, last, max(last) OVER (ORDER BY first, last
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM settled
), parted AS (
  SELECT first, last, sum(CASE WHEN first <= before + 1 THEN 0 ELSE 1 END)
    OVER (ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS island FROM reached
)
SELECT min(first) AS first, max(last) AS last FROM parted GROUP BY island ORDER BY 1;
