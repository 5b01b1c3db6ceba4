-- The same counts by the minute, for the last hours, and by the day, for years.
CREATE TABLE request_rollup_minute (
    app_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (app_id, mode, begins_at)
) STRICT;
CREATE INDEX request_rollup_minute_age ON request_rollup_minute (begins_at);

CREATE TABLE request_rollup_day (
    app_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (app_id, mode, begins_at)
) STRICT;
INSERT INTO request_rollup_day (app_id, mode, begins_at, allowed, denied, failed)
    SELECT app_id, mode, hour_at - hour_at % 86400000, SUM(allowed), SUM(denied), SUM(failed) FROM request_rollup
    GROUP BY app_id, mode, hour_at - hour_at % 86400000;

-- What is old goes, the oldest first.
CREATE INDEX request_rollup_age ON request_rollup (hour_at);
CREATE INDEX request_rollup_part_age ON request_rollup_part (hour_at);
