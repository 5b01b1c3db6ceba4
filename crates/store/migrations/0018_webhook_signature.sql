-- What signs for an endpoint: `hmac`, or `ed25519` where the product allows a key pair.
ALTER TABLE webhook_endpoint ADD COLUMN signature TEXT NOT NULL DEFAULT 'hmac';
