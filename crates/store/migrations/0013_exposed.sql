-- When the secret of a live credential was first seen on a connection that others could read.
ALTER TABLE credential ADD COLUMN exposed_at INTEGER;
