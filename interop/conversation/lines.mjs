// One JSON line in, one JSON line out: how a test talks to a client.
import { createInterface } from 'node:readline';

export const { KEYMINT_TARGET: TARGET, KEYMINT_KEY_ID: KEY_ID, KEYMINT_KEY_SECRET: KEY_SECRET } = process.env;

export async function converse(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
}
