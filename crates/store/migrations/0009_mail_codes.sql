-- Codes by mail as a second factor, and when a password was last set anew by mail: codes by mail count again a while after.
ALTER TABLE user_account ADD COLUMN mail_codes_at INTEGER;
ALTER TABLE user_account ADD COLUMN password_reset_at INTEGER;

-- Letters are deleted by their age.
CREATE INDEX letter_at ON letter (at);
