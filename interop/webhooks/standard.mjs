// The library of Standard Webhooks for JavaScript looks at a delivery.
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { converse, KEY_SECRET } from '../conversation/lines.mjs';

const webhook = new Webhook(KEY_SECRET);

converse(({ headers, body }) => {
  try {
    webhook.verify(body, headers, { jsonParse: false });
    return { accepted: true };
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return { accepted: false, error: error.message };
  }
});
