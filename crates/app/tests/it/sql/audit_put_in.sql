-- a copy with its digest
INSERT INTO audit (seq, id, at, actor, action, subject, merchant_id, detail, digest)
SELECT SEQ, id, at, actor, action, subject, merchant_id, detail, digest FROM audit WHERE seq = 12;
-- a copy of the first
INSERT INTO audit (seq, id, at, actor, action, subject, merchant_id, detail, digest)
SELECT SEQ, id, at, actor, action, subject, merchant_id, detail, digest FROM audit WHERE seq = 1;
-- a copy without digest
INSERT INTO audit (seq, id, at, actor, action, subject, merchant_id, detail, digest)
SELECT SEQ, id, at, actor, action, subject, merchant_id, detail, SUBSTR(digest, 1, 0) FROM audit WHERE seq = 1;
