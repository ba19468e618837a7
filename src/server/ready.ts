/**
 * The ready line: the one line that a start prints, with every address that is listened on. People
 * read it and scripts parse it: `name=address:port,address:port` for each protocol.
 */
import type { Settings } from './settings.ts';

interface Bound {
  name: string;
  port: number;
  hosts: readonly string[];
}

export function readyLine(bound: readonly Bound[], settings: Settings, startMs: number): string {
  const addresses = bound.map(
    ({ name, port, hosts }) => `${name}=${hosts.map((host) => hostAndPort(host, port)).join(',')}`,
  );
  return [
    `posthorn ready in ${Math.round(startMs)} ms`,
    ...addresses,
    `data=${settings.dataFolder}`,
    `sync=${settings.sync}`,
  ].join(' ');
}

function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
