UPDATE user_account SET phone_verified_at = NULL WHERE email = 'one@proofs.example'
