-- As a kill leaves it that came after the batch of thirty was counted and before that of twenty was.
UPDATE request_log_head SET counted_number = 30;
UPDATE request_rollup SET allowed = 30;
UPDATE request_rollup_minute SET allowed = 30;
UPDATE request_rollup_day SET allowed = 30;
UPDATE request_rollup_part SET total = 30;
DELETE FROM credential_use;
