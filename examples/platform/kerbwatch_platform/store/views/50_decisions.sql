-- What counts of what reviewers said: the newest that was not taken back.
CREATE VIEW verdict_now AS
SELECT DISTINCT ON (tenant, device, case_id) * FROM verdict WHERE undone_at IS NULL
ORDER BY tenant, device, case_id, number DESC;

CREATE VIEW ticket_now AS
SELECT DISTINCT ON (tenant, device, case_id) * FROM case_ticket WHERE undone_at IS NULL
ORDER BY tenant, device, case_id, number DESC;
