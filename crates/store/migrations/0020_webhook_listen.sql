-- Whoever listens to an app's test events asks for what happened since a moment.
CREATE INDEX webhook_event_app ON webhook_event (app_id, mode, at, id);
