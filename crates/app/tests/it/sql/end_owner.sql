SELECT CAST(COUNT(CASE WHEN pg_terminate_backend(pid) THEN 1 END) AS BIGINT) AS ended
FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
