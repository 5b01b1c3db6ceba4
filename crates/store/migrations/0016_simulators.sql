-- How often an object of a sandbox has changed: who changes it says which version it has read.
ALTER TABLE sandbox_object ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- What becomes of an object later. It happens at `due_at` of the app's clock, unless the object is not in `version` any more.
-- `wakes_at` is the same moment of the real clock; nothing while the app's clock stands still before it.
CREATE TABLE sandbox_move (
    product TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    app_id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    wakes_at INTEGER,
    body TEXT NOT NULL,
    frees_reference INTEGER NOT NULL,
    event TEXT,
    told TEXT,
    postings TEXT NOT NULL,
    PRIMARY KEY (product, mode, kind, id, version)
) STRICT;
CREATE INDEX sandbox_move_wakes ON sandbox_move (wakes_at, version) WHERE wakes_at IS NOT NULL;
CREATE INDEX sandbox_move_due ON sandbox_move (app_id, due_at, version);

-- The clock of an app's tests: it stands at `at`, or runs on from there since `runs_since` of the real clock.
CREATE TABLE sandbox_clock (
    app_id TEXT NOT NULL PRIMARY KEY REFERENCES app (id),
    at INTEGER NOT NULL,
    runs_since INTEGER
) STRICT;

-- Money of the sandboxes, in the smallest unit of its currency, and everything that ever moved it.
CREATE TABLE sandbox_wallet (
    app_id TEXT NOT NULL,
    name TEXT NOT NULL,
    balance INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT;
CREATE TABLE sandbox_posting (
    number SERIAL_KEY,
    app_id TEXT NOT NULL,
    wallet TEXT NOT NULL,
    object TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX sandbox_posting_wallet ON sandbox_posting (app_id, wallet, number);

-- Answers that a simulator gives again to the same key of an app.
CREATE TABLE sandbox_answer (
    app_id TEXT NOT NULL,
    repeat_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app_id, repeat_key)
) STRICT;
CREATE INDEX sandbox_answer_at ON sandbox_answer (at);
