// Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte,
// before you parse it. Node.js 20 or newer, nothing to install.
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';

const TOLERANCE_SECONDS = 300;

const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac('sha256', key)).digest();

function same(a, b) {
  return a.length === b.length && timingSafeEqual(a, b);
}

function isFresh(timestamp, now) {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now - Number(timestamp)) <= TOLERANCE_SECONDS;
}

// X-Razorpay-Signature; `secret` is the endpoint's.
export function razorpay(secret, { signature }, body) {
  return secret !== '' && same(Buffer.from(signature), Buffer.from(hmac(secret, body).toString('hex')));
}

// X-KPAY-Signature; `secret` is the endpoint's.
export const kpay = razorpay;

// X-SIGNATURE and X-TIMESTAMP; `secret` is that of your API key.
export function kwikpaisa(secret, { signature, timestamp }, body, now) {
  const expected = hmac(secret, body, timestamp).toString('hex');
  return secret !== '' && isFresh(timestamp, now) && same(Buffer.from(signature), Buffer.from(expected));
}

// webhook-signature, webhook-id and webhook-timestamp (Standard Webhooks 1.0); `secret` is `whsec_…`, or the public key
// `whpk_…`. While a secret is rolled there are several signatures: one of them is enough.
export function keymint(secret, { signature, timestamp, id }, body, now) {
  if (!isFresh(timestamp, now)) return false;
  const [kind, text] = secret.split('_', 2);
  const key = Buffer.from(text ?? '', 'base64');
  const message = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const signatures = signature.split(' ').map((one) => one.split(',', 2));
  if (kind === 'whsec' && key.length > 0) {
    const expected = Buffer.from(hmac(key, message).toString('base64'));
    return signatures.some(([version, text]) => version === 'v1' && same(Buffer.from(text ?? ''), expected));
  }
  if (kind === 'whpk' && key.length === 32) {
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]);
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const holds = (text) => verify(null, message, publicKey, Buffer.from(text ?? '', 'base64'));
    return signatures.some(([version, text]) => version === 'v1a' && holds(text));
  }
  return false;
}

// From the command line: the product, and the rest in the environment; the body comes in.
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { SECRET = '', SIGNATURE = '', TIMESTAMP = '', ID = '', NOW } = process.env;
const check = { razorpay, kpay, kwikpaisa, keymint }[process.argv[2]];
const headers = { signature: SIGNATURE, timestamp: TIMESTAMP, id: ID };
const holds = check(SECRET, headers, Buffer.concat(chunks), NOW ? Number(NOW) : Date.now() / 1000);
process.exit(holds ? 0 : 1);
