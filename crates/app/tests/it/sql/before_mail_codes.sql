DROP INDEX letter_at;
ALTER TABLE user_account DROP COLUMN mail_codes_at;
ALTER TABLE user_account DROP COLUMN password_reset_at;
DELETE FROM schema_migration WHERE version = 9;
