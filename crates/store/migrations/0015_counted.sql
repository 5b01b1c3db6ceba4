-- Up to which decision of the log the counts by the minute, hour and day have come. What is newer is counted at the start.
ALTER TABLE request_log_head ADD COLUMN counted_number INTEGER NOT NULL DEFAULT 0;
UPDATE request_log_head SET counted_number = last_number;
