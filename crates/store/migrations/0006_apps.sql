CREATE TABLE company (
    merchant_id TEXT NOT NULL PRIMARY KEY REFERENCES merchant (id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    country TEXT NOT NULL,
    state TEXT,
    city TEXT,
    postal_code TEXT NOT NULL,
    phone TEXT,
    website TEXT,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE app_logo (
    app_id TEXT NOT NULL PRIMARY KEY REFERENCES app (id),
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    png BLOB NOT NULL,
    version TEXT NOT NULL
) STRICT;
CREATE INDEX app_logo_merchant ON app_logo (merchant_id, app_id);

CREATE TABLE app_domains (
    app_id TEXT NOT NULL PRIMARY KEY REFERENCES app (id),
    origins TEXT NOT NULL,
    row_check BLOB NOT NULL
) STRICT;

CREATE INDEX app_email ON app (merchant_id, product, email);
CREATE INDEX app_phone ON app (merchant_id, product, phone);
