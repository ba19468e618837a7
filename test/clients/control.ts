/** What a running program can ask of us while it runs: `POST /restart` of the broker it talks to. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Control {
  url: string;
  stop(): void;
}

export async function startControl(actions: { restart: () => Promise<void> }): Promise<Control> {
  const server = createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/restart') {
      response.writeHead(404).end();
      return;
    }
    actions.restart().then(
      () => response.end('restarted'),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
