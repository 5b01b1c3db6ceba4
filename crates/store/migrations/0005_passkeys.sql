-- What a person signs in and proves with (WebAuthn). Several for each account; what an authenticator calls a credential is
-- one for all accounts.
CREATE TABLE passkey (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    credential_id BLOB NOT NULL,
    name TEXT NOT NULL,
    public TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    row_check BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX passkey_credential ON passkey (credential_id);
CREATE INDEX passkey_of_user ON passkey (user_id, id);
