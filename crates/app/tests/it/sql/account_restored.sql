UPDATE user_account SET email = 'one@proofs.example' WHERE email = 'evil@proofs.example'
