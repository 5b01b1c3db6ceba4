ALTER TABLE user_account ADD COLUMN phone TEXT;
ALTER TABLE user_account ADD COLUMN phone_verified_at INTEGER;
ALTER TABLE user_account ADD COLUMN row_check BLOB;
ALTER TABLE membership ADD COLUMN row_check BLOB;

ALTER TABLE session ADD COLUMN proved_at INTEGER;
ALTER TABLE session ADD COLUMN client TEXT;
CREATE INDEX session_user_account ON session (user_id, created_at);

CREATE TABLE challenge (
    id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    code_check BLOB,
    detail TEXT NOT NULL,
    tries INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_at INTEGER
) STRICT;
CREATE INDEX challenge_expires ON challenge (expires_at);

CREATE TABLE code_count (
    subject TEXT NOT NULL PRIMARY KEY,
    hour_at INTEGER NOT NULL,
    tries INTEGER NOT NULL
) STRICT;

CREATE TABLE authenticator (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES user_account (id),
    sealed BLOB NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_code (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    code_check BLOB NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user_id, code_check)
) STRICT;

CREATE TABLE invitation (
    id TEXT NOT NULL PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    invited_by TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    row_check BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX invitation_email ON invitation (merchant_id, email);
CREATE INDEX invitation_of ON invitation (email, id);

CREATE TABLE letter (
    id TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    sealed BLOB,
    tries INTEGER NOT NULL,
    next_at INTEGER,
    problem TEXT
) STRICT;
CREATE INDEX letter_next ON letter (next_at) WHERE next_at IS NOT NULL;
