// Another site: a server of the test's own, on another port of this machine.

import { once } from "node:events";
import http from "node:http";

/** Serves until `close`; `pages` is what stands at each path: `{ body, status, headers }` or a text. */
export async function serve(pages) {
  const server = http.createServer((request, response) => {
    const page = pages[new URL(request.url, "http://host").pathname] ?? { status: 404, body: "nothing here" };
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
