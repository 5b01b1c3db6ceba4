-- Roles that a merchant has made. A membership or an invitation names one by its id, in the place of a role's name.
CREATE TABLE team_role (
    id TEXT NOT NULL PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    name TEXT NOT NULL,
    acts TEXT NOT NULL,
    row_check BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX team_role_name ON team_role (merchant_id, name);

-- What a merchant asks of everybody in its team.
CREATE TABLE team_rule (
    merchant_id TEXT NOT NULL PRIMARY KEY REFERENCES merchant (id),
    needs_factor INTEGER NOT NULL
) STRICT;
