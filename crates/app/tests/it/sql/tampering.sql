-- revoked: made active again
UPDATE credential SET status = 'active', revoked_at = NULL, revoke_reason = NULL WHERE key_id = 'KEY_ID';
-- revoked: said to have expired only
UPDATE credential SET status = 'expired' WHERE key_id = 'KEY_ID';
-- revoked: made retiring
UPDATE credential SET status = 'retiring', ends_at = 9000000000000 WHERE key_id = 'KEY_ID';
-- revoked: revoked at another moment
UPDATE credential SET revoked_at = revoked_at + 1 WHERE key_id = 'KEY_ID';
-- revoked: revoked for another reason
UPDATE credential SET revoke_reason = 'unused' WHERE key_id = 'KEY_ID';
-- retired: given a longer grace
UPDATE credential SET ends_at = ends_at + 86400000 WHERE key_id = 'KEY_ID';
-- retired: made active again
UPDATE credential SET status = 'active', slot = 7, ends_at = NULL WHERE key_id = 'KEY_ID';
-- expired: given a longer life
UPDATE credential SET expires_at = expires_at + 86400000 WHERE key_id = 'KEY_ID';
-- expired: given a life without end
UPDATE credential SET expires_at = NULL WHERE key_id = 'KEY_ID';
-- active: made live
UPDATE credential SET mode = 'live' WHERE key_id = 'KEY_ID';
-- active: given to another merchant
UPDATE credential SET merchant_id = (SELECT merchant_id FROM credential WHERE key_id = 'OTHER_ID')
WHERE key_id = 'KEY_ID';
-- active: given to another app
UPDATE credential SET app_id = (SELECT app_id FROM credential WHERE key_id = 'OTHER_ID') WHERE key_id = 'KEY_ID';
-- active: moved to another product
UPDATE credential SET product = 'kpay' WHERE key_id = 'KEY_ID';
-- active: allowed everywhere
UPDATE credential SET restrictions = '{"ips":[],"origins":[],"scopes":["read"]}' WHERE key_id = 'KEY_ID';
-- active: allowed to write
UPDATE credential SET restrictions = '{"ips":["127.0.0.0/8"],"origins":[],"scopes":["read","write"]}'
WHERE key_id = 'KEY_ID';
-- active: narrowed by nothing
UPDATE credential SET restrictions = '{}' WHERE key_id = 'KEY_ID';
-- active: given another's secret
UPDATE credential SET secret = (SELECT secret FROM credential WHERE key_id = 'OTHER_ID') WHERE key_id = 'KEY_ID';
-- active: given another's secret and check
UPDATE credential SET secret = (SELECT secret FROM credential WHERE key_id = 'OTHER_ID'),
                      row_check = (SELECT row_check FROM credential WHERE key_id = 'OTHER_ID')
WHERE key_id = 'KEY_ID';
-- active: given another id
UPDATE credential SET id = SUBSTR(id, 1, 24) || '000000' WHERE key_id = 'KEY_ID';
-- active: under another key of the ring
UPDATE credential SET ring_key = 'k0' WHERE key_id = 'KEY_ID';
-- active: without a check
UPDATE credential SET row_check = SUBSTR(row_check, 1, 0) WHERE key_id = 'KEY_ID';
-- active: with half a check
UPDATE credential SET row_check = SUBSTR(row_check, 1, 19) WHERE key_id = 'KEY_ID';
-- other: put in the place of another
DELETE FROM credential WHERE key_id = 'OTHER_ID';
UPDATE credential SET key_id = 'OTHER_ID' WHERE key_id = 'KEY_ID';
