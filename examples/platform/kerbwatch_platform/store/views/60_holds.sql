-- Whether a case is held: what was done last counts.
CREATE VIEW hold_now AS
SELECT DISTINCT ON (tenant, device, case_id) * FROM case_hold ORDER BY tenant, device, case_id, number DESC;
