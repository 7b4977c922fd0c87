-- Files of evidence, timestamps, one-time places to send to.
SELECT 1;
