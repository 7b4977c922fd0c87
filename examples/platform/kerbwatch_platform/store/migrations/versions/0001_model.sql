-- The data model of the contract.
SELECT 1;
