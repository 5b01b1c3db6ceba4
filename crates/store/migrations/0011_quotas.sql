-- How many requests a subject made under a quota in the period that began then. The process counts; this is what it goes on
-- from after a stop.
CREATE TABLE quota_count (
    product TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (product, rule, subject)
) STRICT;
