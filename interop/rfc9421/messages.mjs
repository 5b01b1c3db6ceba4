// Signs, sends and verifies requests with the Node library http-message-signatures. It leaves Content-Digest to its
// user, so that is made and checked here (RFC 9530), with SHA-512 where the Python client takes SHA-256.
import crypto from 'node:crypto';
import httpMessageSignatures from 'http-message-signatures';
import { converse, KEY_ID, KEY_SECRET, TARGET } from '../conversation/lines.mjs';

const { httpbis, createSigner, createVerifier } = httpMessageSignatures;
const key = createSigner(KEY_SECRET, 'hmac-sha256', KEY_ID);
const verifier = { id: KEY_ID, algs: ['hmac-sha256'], verify: createVerifier(KEY_SECRET, 'hmac-sha256') };
let signed;

function digest(algorithm, body) {
  const name = algorithm.replace('-', '');
  return `${algorithm}=:${crypto.createHash(name).update(body).digest('base64')}:`;
}

async function sign({ method, path, body, components, nonce, params }) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  if (components.includes('content-digest')) headers['content-digest'] = digest('sha-512', body);
  const config = { key, fields: components };
  if (nonce !== undefined) Object.assign(config, { params: ['keyid', 'created', 'nonce'], paramValues: { nonce } });
  if (params !== undefined) config.params = params;
  signed = await httpbis.signMessage(config, { method, url: TARGET + path, headers, body });
  return { headers: signed.headers };
}

async function send() {
  const response = await fetch(signed.url, signed);
  return { status: response.status, body: await response.text() };
}

async function verify({ method, path, headers, body, components }) {
  const given = headers['content-digest'];
  if (body !== undefined && given !== digest('sha-256', body)) return { verified: false, message: 'wrong digest' };
  const config = { keyLookup: ({ keyid }) => (keyid === KEY_ID ? verifier : null), requiredFields: components };
  try {
    return { verified: (await httpbis.verifyMessage(config, { method, url: TARGET + path, headers })) === true };
  } catch (error) {
    return { verified: false, message: error.message };
  }
}

converse((command) => ({ sign, send, verify })[command.do](command));
