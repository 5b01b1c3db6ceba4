-- a status of nobody's
UPDATE credential SET status = 'resting' WHERE key_id = 'KEY_ID';
-- a mode of nobody's
UPDATE credential SET mode = 'both' WHERE key_id = 'KEY_ID';
-- retiring without an end
UPDATE credential SET status = 'retiring' WHERE key_id = 'KEY_ID';
-- restrictions that are none
UPDATE credential SET restrictions = '{"ips":["everywhere"]}' WHERE key_id = 'KEY_ID';
-- a secret of another kind
UPDATE credential SET secret_kind = 'plain' WHERE key_id = 'KEY_ID';
-- a secret cut short
UPDATE credential SET secret_kind = 'hashed', secret = SUBSTR(secret, 1, 8) WHERE key_id = 'KEY_ID';
