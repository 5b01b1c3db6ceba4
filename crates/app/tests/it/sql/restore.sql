DELETE FROM audit;
INSERT INTO audit (seq, id, at, actor, action, subject, merchant_id, detail, digest)
SELECT seq, id, at, actor, action, subject, merchant_id, detail, digest FROM audit_before;
