// The Node.js sample of KwikPaisa's signature page: the top level is sorted, nested objects keep their order.
import crypto from 'node:crypto';
import { converse, KEY_ID, KEY_SECRET, TARGET } from '../conversation/lines.mjs';

function encode(data, style) {
  switch (style) {
    case 'shallow':
      return JSON.stringify(
        Object.keys(data)
          .sort()
          .reduce((sorted, key) => {
            sorted[key] = data[key];
            return sorted;
          }, {}),
      );
    case 'unsorted':
      return JSON.stringify(data);
  }
}

function sign({ payload, style, timestamp }) {
  const data = JSON.parse(payload);
  const signed = encode(data, style);
  timestamp ??= Math.floor(Date.now() / 1000);
  const signature = crypto
    .createHmac('sha256', KEY_SECRET)
    .update(signed + timestamp)
    .digest('hex');
  const headers = {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'X-API-KEY': KEY_ID,
    'X-SIGNATURE': signature,
    'X-TIMESTAMP': String(timestamp),
  };
  return { headers, signed, plain: JSON.stringify(data) };
}

async function send({ path, headers, body }) {
  const response = await fetch(TARGET + path, { method: 'POST', headers, body });
  return { status: response.status, body: await response.text() };
}

converse((command) => (command.do === 'sign' ? sign(command) : send(command)));
