CREATE TABLE app_providers (
    app_id TEXT NOT NULL PRIMARY KEY REFERENCES app (id),
    names TEXT NOT NULL,
    row_check BLOB NOT NULL
) STRICT;
