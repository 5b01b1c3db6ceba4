-- A try keeps what went out with it, its request line and header fields, and the header fields of the answer.
ALTER TABLE webhook_attempt ADD COLUMN request TEXT;
ALTER TABLE webhook_attempt ADD COLUMN answer_head TEXT;
