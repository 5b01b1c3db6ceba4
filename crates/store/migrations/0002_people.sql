CREATE TABLE user_account (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX user_account_email ON user_account (email);

CREATE TABLE membership (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, merchant_id)
) STRICT;
CREATE INDEX membership_merchant ON membership (merchant_id, user_id);

CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE UNIQUE INDEX session_digest ON session (digest);
CREATE INDEX session_of_user ON session (user_id, id);
