// KS Pay's documented calls with fetch. The page names no algorithm for `x-signature`; the one here is Keymint's choice.
import crypto from 'node:crypto';
import { converse, KEY_ID, KEY_SECRET, TARGET } from '../conversation/lines.mjs';

async function call(method, path, headers, body) {
  const response = await fetch(TARGET + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
  return { status: response.status, body: await response.json() };
}

function initiate({ body, seconds, signature }) {
  seconds ??= Math.floor(Date.now() / 1000);
  const text = JSON.stringify(body);
  const digest = crypto.createHmac('sha256', KEY_SECRET).update(`${seconds}.${text}`).digest('hex');
  const headers = { 'x-signature': signature ?? `${KEY_ID}.${seconds}.${digest}` };
  return call('POST', '/transaction/initiate', headers, text);
}

converse((command) => {
  const keys = JSON.stringify({ [command.field ?? 'accessKey']: KEY_ID, secretKey: KEY_SECRET });
  const bearer = { Authorization: `Bearer ${command.token}` };
  switch (command.do) {
    case 'generate':
      return call('POST', `/auth/generate-token/${command.app}`, {}, keys);
    case 'refresh':
      return call('POST', '/auth/refresh-token', { Authorization: command.token }, keys);
    case 'currencies':
      return call('GET', '/currencies', bearer);
    case 'methods':
      return call('GET', `/${command.currency}/payment-methods`, bearer);
    case 'initiate':
      return initiate(command);
  }
});
