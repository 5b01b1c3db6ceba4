-- turned off
UPDATE user_account SET mail_codes_at = NULL WHERE email = 'on@proofs.example';
-- turned on since another moment
UPDATE user_account SET mail_codes_at = mail_codes_at + 1 WHERE email = 'on@proofs.example';
-- never reset
UPDATE user_account SET password_reset_at = NULL WHERE email = 'on@proofs.example';
-- reset long ago
UPDATE user_account SET password_reset_at = 1 WHERE email = 'on@proofs.example';
-- all of it taken away
UPDATE user_account SET mail_codes_at = NULL, password_reset_at = NULL WHERE email = 'on@proofs.example';
-- turned on for somebody else
UPDATE user_account SET mail_codes_at = 1800000000000 WHERE email = 'off@proofs.example';
