-- An endpoint may ask for order: what is about one subject (a payment, an order) goes one after the other, by turns.
ALTER TABLE webhook_endpoint ADD COLUMN is_ordered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_delivery ADD COLUMN subject TEXT;
ALTER TABLE webhook_delivery ADD COLUMN turn INTEGER;
CREATE INDEX webhook_delivery_subject ON webhook_delivery (endpoint_id, subject, turn) WHERE subject IS NOT NULL;
