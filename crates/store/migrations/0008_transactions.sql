-- What a list of an app's transactions shows, so that it reads no bodies. Until now each object stayed as it was made:
-- Razorpay's orders "created", everything else "PENDING". Amount, currency and method of older ones are read from their
-- bodies.
ALTER TABLE sandbox_object ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE sandbox_object ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sandbox_object ADD COLUMN amount TEXT;
ALTER TABLE sandbox_object ADD COLUMN currency TEXT;
ALTER TABLE sandbox_object ADD COLUMN method TEXT;
UPDATE sandbox_object SET changed_at = created_at,
    status = CASE WHEN kind = 'order' AND body LIKE '%"entity":"order"%' THEN 'created' ELSE 'pending' END;

-- Newest first, of an app, of an app in one state; and one by its id.
DROP INDEX sandbox_app;
CREATE INDEX sandbox_app ON sandbox_object (app_id, created_at, id);
CREATE INDEX sandbox_state ON sandbox_object (app_id, status, created_at, id);
CREATE INDEX sandbox_id ON sandbox_object (app_id, id);
