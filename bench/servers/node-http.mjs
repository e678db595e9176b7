// The metal: what Node itself can answer.
import { createServer } from 'node:http';
import { serve } from './child.mjs';

const BODY = JSON.stringify({ pong: true });

const server = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': BODY.length });
  response.end(BODY);
});
server.listen(0, '127.0.0.1', () => {
  serve(`http://127.0.0.1:${server.address().port}`, async () => {
    server.closeAllConnections();
    server.close();
  });
});
