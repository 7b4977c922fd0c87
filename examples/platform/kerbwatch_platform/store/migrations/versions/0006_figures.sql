-- What the figures need.
SELECT 1;
