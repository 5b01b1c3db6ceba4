-- another name
UPDATE credential SET name = 'renamed' WHERE key_id = 'KEY_ID';
-- another age
UPDATE credential SET created_at = 0 WHERE key_id = 'KEY_ID';
-- another note
UPDATE credential SET revoke_note = 'a note' WHERE key_id = 'KEY_ID';
