-- What a person says of an app that Keymint cannot see by itself: an item of a checklist is done. `list` says which one.
CREATE TABLE app_tick (
    app_id TEXT NOT NULL REFERENCES app (id),
    list TEXT NOT NULL,
    item TEXT NOT NULL,
    ticked_at INTEGER NOT NULL,
    ticked_by TEXT NOT NULL,
    PRIMARY KEY (app_id, list, item)
) STRICT;
