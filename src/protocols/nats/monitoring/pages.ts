/**
 * The monitoring pages, with nats-server's paths, field names and error texts. Only what is true is
 * shown: fields of nats-server that have no counterpart here are left out, and pages of what does
 * not exist (routes, gateways, leaf nodes, JetStream, accounts) are not there.
 */
import type { Page, PageHost } from '#protocols/contract.ts';
import type { NatsNode } from '../node.ts';
import { connz } from './connz.ts';
import { BadQuery, checkQuery } from './query.ts';
import { subsz } from './subsz.ts';
import { varz } from './varz.ts';

/** Without JetStream all probes ask the same: is the server there? */
const HEALTH_OPTIONS = ['js-enabled', 'js-enabled-only', 'js-server-only', 'details'];

type Render = (node: NatsNode, query: ReadonlyMap<string, string>, host: PageHost) => object;

const PAGES: Readonly<Record<string, Render>> = {
  '/varz': varz,
  '/connz': connz,
  '/subsz': subsz,
  '/subscriptionsz': subsz,
  '/healthz': (_node, query) => {
    checkQuery(query, HEALTH_OPTIONS);
    return { status: 'ok' };
  },
};

/** Null when there is no such page. */
export function pageOf(
  node: NatsNode,
  path: string,
  query: ReadonlyMap<string, string>,
  host: PageHost,
): Page | null {
  if (path === '/') {
    count(node, path);
    return { status: 200, contentType: 'text/html; charset=utf-8', body: INDEX };
  }
  const render = Object.hasOwn(PAGES, path) ? PAGES[path]! : null;
  if (render === null) return null;
  count(node, path);
  try {
    const body = JSON.stringify(render(node, query, host), null, path === '/healthz' ? 0 : 2);
    return { status: 200, contentType: 'application/json', body };
  } catch (error) {
    if (!(error instanceof BadQuery)) throw error;
    return { status: 400, contentType: 'text/plain; charset=utf-8', body: error.message };
  }
}

function count(node: NatsNode, path: string): void {
  node.pageRequests.set(path, (node.pageRequests.get(path) ?? 0) + 1);
}

const INDEX = `<!doctype html>
<html lang="en">
<head><title>Posthorn: NATS</title></head>
<body>
<h1>NATS</h1>
<ul>
<li><a href="./varz">General</a></li>
<li><a href="./connz">Connections</a></li>
<li><a href="./subsz">Subscriptions</a></li>
<li><a href="./healthz">Health probe</a></li>
</ul>
</body>
</html>
`;
