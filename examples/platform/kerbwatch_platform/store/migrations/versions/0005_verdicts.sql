-- What reviewers found of a case.
SELECT 1;
