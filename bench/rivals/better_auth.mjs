// better-auth's API-key plugin behind Node's own HTTP server, on SQLite: 204 for its key, 401 for any other. Prints where it
// listens and the key, as JSON.

import { createServer } from "node:http";

import { apiKey } from "@better-auth/api-key";
import { LibsqlDialect } from "@libsql/kysely-libsql";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";

const options = {
  database: { dialect: new LibsqlDialect({ url: `file:${process.env.BETTER_AUTH_DATABASE}` }), type: "sqlite" },
  secret: "a-bench-signs-nothing-that-anybody-believes",
  baseURL: "http://127.0.0.1",
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
};
const auth = betterAuth(options);
await (await getMigrations(options)).runMigrations();
const person = { email: "bench@example.com", password: "bench-bench-bench", name: "bench" };
const { user } = await auth.api.signUpEmail({ body: person });
const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: "bench" } });
const server = createServer(async (request, response) => {
  const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers["x-api-key"] ?? "" } });
  response.writeHead(valid ? 204 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port, key })));
