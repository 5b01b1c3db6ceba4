// Razorpay's own Node SDK looks at a delivery: `validateWebhookSignature`.
import Razorpay from 'razorpay';
import { converse, KEY_SECRET } from '../conversation/lines.mjs';

converse(({ headers, body }) => ({
  accepted: Razorpay.validateWebhookSignature(body, headers['x-razorpay-signature'], KEY_SECRET),
}));
