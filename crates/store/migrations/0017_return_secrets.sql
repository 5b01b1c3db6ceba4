-- What signs the way back from an app's hosted pages in test mode, sealed.
CREATE TABLE return_secret (
    app_id TEXT NOT NULL PRIMARY KEY REFERENCES app (id),
    sealed BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
