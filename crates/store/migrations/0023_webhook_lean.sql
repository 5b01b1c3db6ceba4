-- Events, deliveries and tries have fewer indexes, and no foreign keys: an id begins with its moment, so what is too old is
-- known by its id; and whoever writes one of them has just read or written what it belongs to.
DROP INDEX webhook_event_at;
DROP INDEX webhook_event_app;
DROP INDEX webhook_delivery_next;
DROP INDEX webhook_delivery_lane;
DROP INDEX webhook_delivery_endpoint;
DROP INDEX webhook_delivery_event;
DROP INDEX webhook_delivery_subject;
ALTER TABLE webhook_attempt RENAME TO old_webhook_attempt;
ALTER TABLE webhook_delivery RENAME TO old_webhook_delivery;
ALTER TABLE webhook_event RENAME TO old_webhook_event;

CREATE TABLE webhook_event (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- `next_at` is there while another try is due.
CREATE TABLE webhook_delivery (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    secret_version INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    tries_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER,
    subject TEXT,
    turn INTEGER
) STRICT;

CREATE TABLE webhook_attempt (
    delivery_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status INTEGER,
    problem TEXT,
    answer TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;

INSERT INTO webhook_event (id, app_id, mode, name, body, at)
SELECT id, app_id, mode, name, body, at FROM old_webhook_event;
INSERT INTO webhook_delivery (id, event_id, endpoint_id, secret_version, state, tries, tries_before, created_at, next_at, subject, turn)
SELECT id, event_id, endpoint_id, secret_version, state, tries, tries_before, created_at, next_at, subject, turn
FROM old_webhook_delivery;
INSERT INTO webhook_attempt (delivery_id, number, at, took_ms, status, problem, answer)
SELECT delivery_id, number, at, took_ms, status, problem, answer FROM old_webhook_attempt;
DROP TABLE old_webhook_attempt;
DROP TABLE old_webhook_delivery;
DROP TABLE old_webhook_event;

CREATE INDEX webhook_event_app ON webhook_event (app_id, mode, at, id);
CREATE INDEX webhook_delivery_lane ON webhook_delivery (endpoint_id, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id);
CREATE INDEX webhook_delivery_subject ON webhook_delivery (endpoint_id, subject, turn) WHERE subject IS NOT NULL;
