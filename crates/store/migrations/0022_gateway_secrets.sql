-- Secrets with which an app's payment gateways sign what they post to its sandbox, sealed.
CREATE TABLE gateway_secret (
    app_id TEXT NOT NULL REFERENCES app (id),
    gateway TEXT NOT NULL,
    sealed BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, gateway)
) STRICT;
