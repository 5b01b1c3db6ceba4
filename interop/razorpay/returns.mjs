// The values that a checkout sends back, judged by Razorpay's own Node SDK.
import { validatePaymentVerification } from 'razorpay/dist/utils/razorpay-utils.js';
import { converse, KEY_SECRET } from '../conversation/lines.mjs';

converse(async ({ values }) => {
  const named = { order_id: values.razorpay_order_id, payment_id: values.razorpay_payment_id };
  return { ok: validatePaymentVerification(named, values.razorpay_signature, KEY_SECRET) };
});
