CREATE TABLE audit_before AS
SELECT seq, id, at, actor, action, subject, merchant_id, detail, digest FROM audit
