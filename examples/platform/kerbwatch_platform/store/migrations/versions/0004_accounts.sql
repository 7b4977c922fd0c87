-- Accounts, sessions, and who saw what.
SELECT 1;
