-- another moment
UPDATE audit SET at = at + 1 WHERE seq = SEQ;
-- another actor
UPDATE audit SET actor = 'operator:tok_00000000000000000000000000' WHERE seq = SEQ;
-- another act
UPDATE audit SET action = 'credential.revoked' WHERE seq = SEQ;
-- another subject
UPDATE audit SET subject = 'mer_00000000000000000000000000' WHERE seq = SEQ;
-- nobody's any more
UPDATE audit SET merchant_id = NULL WHERE seq = SEQ;
-- another id
UPDATE audit SET id = 'aud_00000000000000000000000000' WHERE seq = SEQ;
-- a word more
UPDATE audit SET detail = '{"name":"' || detail WHERE seq = SEQ;
-- a letter from one field to the next
UPDATE audit SET action = action || 'm', subject = SUBSTR(subject, 2) WHERE seq = SEQ;
-- another digest
UPDATE audit SET digest = (SELECT digest FROM audit WHERE seq = 3) WHERE seq = SEQ;
UPDATE audit SET digest = (SELECT digest FROM audit WHERE seq = 4) WHERE seq = 3;
-- another number
UPDATE audit SET seq = seq + 1000 WHERE seq = SEQ;
-- changed places
UPDATE audit SET seq = -1 WHERE seq = SEQ;
UPDATE audit SET seq = SEQ WHERE seq = 7;
UPDATE audit SET seq = 7 WHERE seq = -1;
