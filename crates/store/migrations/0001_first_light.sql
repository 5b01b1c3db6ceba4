-- Written for SQLite; for PostgreSQL the words INTEGER, BLOB, TEXT, STRICT and SERIAL_KEY are replaced (see docs/sql.md).
-- Times are milliseconds since the epoch, booleans 0 or 1, documents JSON text.

CREATE TABLE epoch (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    audit_digest BLOB NOT NULL
) STRICT;
INSERT INTO epoch (id, seq, audit_digest) VALUES (1, 0, CAST('' AS BLOB));

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE merchant (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    country TEXT NOT NULL,
    activation TEXT NOT NULL,
    activation_reason TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX merchant_email ON merchant (email);

CREATE TABLE app (
    id TEXT NOT NULL PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    product TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    phone TEXT,
    address TEXT NOT NULL,
    country TEXT NOT NULL,
    state TEXT,
    city TEXT,
    postal_code TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX app_name ON app (merchant_id, product, name);

CREATE TABLE credential (
    id TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    product TEXT NOT NULL,
    mode TEXT NOT NULL,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    app_id TEXT NOT NULL REFERENCES app (id),
    slot_owner TEXT NOT NULL,
    slot INTEGER NOT NULL,
    name TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    status TEXT NOT NULL,
    ends_at INTEGER,
    revoked_at INTEGER,
    revoke_reason TEXT,
    revoke_note TEXT,
    restrictions TEXT NOT NULL,
    secret_kind TEXT NOT NULL,
    ring_key TEXT NOT NULL,
    secret BLOB NOT NULL,
    row_check BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX credential_key_id ON credential (key_id);
CREATE UNIQUE INDEX credential_slot ON credential (slot_owner, product, mode, slot) WHERE status = 'active';
CREATE INDEX credential_app ON credential (app_id, id);

CREATE TABLE credential_use (
    key_id TEXT NOT NULL PRIMARY KEY,
    last_used_at INTEGER NOT NULL
) STRICT;

CREATE TABLE change (
    seq INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    merchant_id TEXT,
    detail TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE INDEX audit_merchant ON audit (merchant_id, seq);

CREATE TABLE outbox (
    seq INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    merchant_id TEXT,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, idempotency_key)
) STRICT;

CREATE TABLE api_token (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    merchant_id TEXT REFERENCES merchant (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_token_digest ON api_token (digest);

CREATE TABLE request_log_head (
    id INTEGER NOT NULL PRIMARY KEY,
    last_number INTEGER NOT NULL
) STRICT;
INSERT INTO request_log_head (id, last_number) VALUES (1, 0);

CREATE TABLE request_log (
    id SERIAL_KEY,
    batch INTEGER NOT NULL,
    product TEXT NOT NULL,
    mode TEXT,
    merchant_id TEXT,
    app_id TEXT,
    key_id TEXT,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    entries TEXT NOT NULL
) STRICT;
CREATE INDEX request_log_key ON request_log (key_id, batch);
CREATE INDEX request_log_app ON request_log (app_id, batch);

CREATE TABLE sandbox_object (
    product TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    reference TEXT,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (product, mode, kind, id)
) STRICT;
CREATE UNIQUE INDEX sandbox_reference ON sandbox_object (product, mode, kind, app_id, reference);
CREATE INDEX sandbox_owner ON sandbox_object (merchant_id, product, mode, kind, created_at);
