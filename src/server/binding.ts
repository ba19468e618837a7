/**
 * Binding: a protocol's port on every address that Posthorn listens on. The same port everywhere,
 * also when it is "any free one", so that `localhost` works whichever address it resolves to.
 */
import { lookup } from 'node:dns/promises';
import { type AddressInfo, isIP, isIPv4, type Server } from 'node:net';
import type { Logger } from './log.ts';
import { ExitCode, RefusedStart } from './refused-start.ts';
import type { PortName, Settings } from './settings.ts';

const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);
/** How often a free port may turn out to be taken on another address. */
const FREE_PORT_TRIES = 20;

export interface Binding {
  name: PortName;
  port: number;
  /** Addresses that are listened on, as numbers; never empty. */
  hosts: string[];
  servers: Server[];
}

export type HostSettings = Pick<Settings, 'hosts' | 'hostsAreDefault'>;

/** Listens on all hosts with servers that `createServer` makes. Throws RefusedStart. */
export async function bind(
  name: PortName,
  port: number,
  settings: HostSettings,
  createServer: () => Server,
  logger: Logger,
): Promise<Binding> {
  const hosts = await resolveHosts(settings.hosts);
  for (let tries = 1; ; tries++) {
    const binding: Binding = { name, port, hosts: [], servers: [] };
    try {
      for (const host of hosts) await listen(binding, host, hosts, settings, createServer, logger);
      if (binding.servers.length > 0) return binding;
      throw new RefusedStart(
        ExitCode.Failed,
        `${name}: none of ${hosts.join(', ')} is an address here`,
      );
    } catch (error) {
      for (const server of binding.servers) server.close();
      const { code } = error as NodeJS.ErrnoException;
      if (port === 0 && code === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
      throw error instanceof RefusedStart ? error : refusal(name, binding, error as BindError);
    }
  }
}

type BindError = NodeJS.ErrnoException & { address?: string; port?: number };

async function listen(
  binding: Binding,
  host: string,
  hosts: readonly string[],
  settings: HostSettings,
  createServer: () => Server,
  logger: Logger,
): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // `::` would take the IPv4 port too, and collide with an IPv4 address of ours.
      const ipv6Only = hosts.some((it) => isIPv4(it));
      server.listen({ host, port: binding.port, ipv6Only, backlog: 1024 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const { code = '' } = error as BindError;
    if (!NO_SUCH_ADDRESS.has(code) || !settings.hostsAreDefault || isIPv4(host)) throw error;
    logger.warn(
      { protocol: binding.name, address: host, code },
      `this machine has no ${host}: ${binding.name} listens on IPv4 only`,
    );
    return;
  }
  // Out of descriptors, for one: the connection is lost, the server is not.
  server.on('error', (error) =>
    logger.warn({ err: error, protocol: binding.name }, 'accept failed'),
  );
  binding.port = (server.address() as AddressInfo).port;
  binding.hosts.push(host);
  binding.servers.push(server);
}

/** Names become all addresses they stand for. */
async function resolveHosts(hosts: readonly string[]): Promise<string[]> {
  const resolved: string[] = [];
  for (const host of hosts) {
    if (isIP(host) > 0 || host.includes('%')) {
      resolved.push(host);
      continue;
    }
    try {
      const found = await lookup(host, { all: true });
      resolved.push(...found.map((it) => it.address));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new RefusedStart(
        ExitCode.Failed,
        `--host '${host}' cannot be resolved (${code}): give an address of this machine`,
      );
    }
  }
  return [...new Set(resolved)];
}

function refusal(name: PortName, binding: Binding, error: BindError): RefusedStart {
  const port = error.port ?? binding.port;
  const address = error.address ?? 'this machine';
  const move = `move it with --port ${name}=<port>`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new RefusedStart(
        ExitCode.Failed,
        `port ${port} (${name}) is taken on ${address}`,
        `stop what listens there, or ${move} (0 takes any free port)`,
      );
    case 'EACCES':
      return new RefusedStart(
        ExitCode.Failed,
        `port ${port} (${name}) on ${address} is not allowed to this user`,
        move,
      );
    default:
      return new RefusedStart(
        ExitCode.Failed,
        `${name} cannot listen on ${address} port ${port} (${error.code})`,
        `give an address of this machine with --host <address>, or ${move}`,
      );
  }
}
