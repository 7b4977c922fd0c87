-- What a city's own systems are told.
SELECT 1;
