UPDATE passkey SET public = 'PUBLIC' WHERE id = 'MINE'
-- next
UPDATE passkey SET user_id = 'USER' WHERE id = 'THEIRS'
