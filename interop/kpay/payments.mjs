// The Node.js sample of KPay's authentication page, for all its calls.
import { converse, KEY_ID, KEY_SECRET, TARGET } from '../conversation/lines.mjs';

const NAMES = ['X-API-Key', 'X-Secret-Key'];

async function call(method, path, headers, body) {
  const res = await fetch(TARGET + path, {
    method,
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: res.status, body: await res.json() };
}

converse(({ do: action, names: [keyName, secretName] = NAMES, id, token, body }) => {
  const pair = { [keyName]: KEY_ID, [secretName]: KEY_SECRET };
  switch (action) {
    case 'init':
      return call('POST', '/api/v1/payments/init', pair, body);
    case 'me':
      return call('GET', '/api/v1/payments/me', pair);
    case 'fetch':
      return call('GET', `/api/v1/payments/${id}`, pair);
    case 'token':
      return call('POST', '/api/v1/payments/token', pair);
    case 'transfer':
      return call('POST', '/api/wallets/transfer', token ? { Authorization: `Bearer ${token}` } : pair, body);
  }
});
