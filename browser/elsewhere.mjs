// Another site: a server of the test's own, on another port of this machine.

import { once } from "node:events";
import http from "node:http";

/** Serves until `close`; `pages` is what stands at each path: `{ body, status, headers }`, a text, or what to answer to a body. */
export async function serve(pages) {
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const found = pages[new URL(request.url, "http://host").pathname] ?? { status: 404, body: "nothing here" };
    const page = typeof found === "function" ? found(Buffer.concat(chunks).toString(), request.headers) : found;
    const { status = 200, headers = {}, body } = typeof page === "string" ? { body: page } : page;
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", ...headers }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
