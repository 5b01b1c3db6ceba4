-- What the request log says, counted by the hour of its decisions, so that a month of them is read in milliseconds.
CREATE TABLE request_rollup (
    app_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    hour_at INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (app_id, mode, hour_at)
) STRICT;

-- The same hour's denials by reason, and its decisions by how long they took.
CREATE TABLE request_rollup_part (
    app_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    hour_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (app_id, mode, hour_at, kind, name)
) STRICT;

-- The newest objects of an app, of whatever kind.
CREATE INDEX sandbox_app ON sandbox_object (app_id, created_at);
