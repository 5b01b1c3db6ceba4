-- Webhooks: where a merchant's events go, what happened, and what became of each delivery.
CREATE TABLE webhook_endpoint (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id),
    mode TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    alert_email TEXT,
    state TEXT NOT NULL,
    secret_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    row_check BLOB NOT NULL
) STRICT;
CREATE INDEX webhook_endpoint_app ON webhook_endpoint (app_id, mode, id);

-- Secrets of an endpoint, sealed; an older one is kept while deliveries may still be signed with it.
CREATE TABLE webhook_secret (
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoint (id),
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    ends_at INTEGER,
    PRIMARY KEY (endpoint_id, version)
) STRICT;

CREATE TABLE webhook_event (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id),
    mode TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_event_at ON webhook_event (at);

-- `next_at` is there while another try is due.
CREATE TABLE webhook_delivery (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES webhook_event (id),
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoint (id),
    secret_version INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    tries_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER
) STRICT;
CREATE INDEX webhook_delivery_next ON webhook_delivery (next_at, endpoint_id) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_delivery_lane ON webhook_delivery (endpoint_id, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

CREATE TABLE webhook_attempt (
    delivery_id TEXT NOT NULL REFERENCES webhook_delivery (id),
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status INTEGER,
    problem TEXT,
    answer TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;
