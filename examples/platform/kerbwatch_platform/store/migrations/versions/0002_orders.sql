-- Orders to devices, limits of devices, quarantine.
SELECT 1;
