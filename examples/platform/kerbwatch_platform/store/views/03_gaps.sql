-- Of each device, how many numbers are missing and why, and how far its epochs are complete.
CREATE VIEW gap_report AS
SELECT tenant, device, epoch, why, count(*) AS ranges, sum(last - first + 1) AS numbers, min(first) AS first,
  max(last) AS last FROM missing GROUP BY tenant, device, epoch, why;
