UPDATE user_account SET email = 'evil@proofs.example' WHERE email = 'one@proofs.example'
