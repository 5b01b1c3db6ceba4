SELECT (SELECT COUNT(*) FROM change) AS changes, (SELECT COUNT(*) FROM audit) AS entries,
       (SELECT COUNT(*) FROM outbox) AS events, (SELECT seq FROM epoch WHERE id = 1) AS head
