-- one
DELETE FROM audit WHERE seq = SEQ;
-- one, and those after it moved up
DELETE FROM audit WHERE seq = SEQ;
UPDATE audit SET seq = -seq WHERE seq > SEQ;
UPDATE audit SET seq = -seq - 1 WHERE seq < 0;
-- it and all before
DELETE FROM audit WHERE seq <= SEQ;
-- it and all after
DELETE FROM audit WHERE seq >= SEQ;
-- all
DELETE FROM audit;
