// Orders by Razorpay's own Node SDK.
import Razorpay from 'razorpay';
import { converse, KEY_ID, KEY_SECRET, TARGET } from '../conversation/lines.mjs';

const client = new Razorpay({ key_id: KEY_ID, key_secret: KEY_SECRET });
// The SDK has no option for its address. `api.rq` is the axios instance that makes all its calls.
client.api.rq.defaults.baseURL = TARGET;

function call(command) {
  switch (command.do) {
    case 'create':
      return client.orders.create(command.order);
    case 'fetch':
      return client.orders.fetch(command.id);
    case 'all':
      return client.orders.all(command.options);
  }
}

converse(async (command) => {
  try {
    return { ok: await call(command) };
  } catch (error) {
    // What the SDK throws for an answer that is not 2xx is a plain object; anything else is a fault of this script.
    if (error instanceof Error) throw error;
    return { status: error.statusCode, error: error.error.code, message: error.error.description };
  }
});
