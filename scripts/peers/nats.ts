/**
 * A real nats-server as one process on loopback, built from its Go module by the ordinary Go client
 * into the cache. Monitoring always listens; users, TLS, WebSocket and limits come as lines of its
 * own configuration language.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installOnce } from './cache.ts';
import { run } from './command.ts';
import { freePorts, type Peer, startPeer } from './peer-process.ts';

export interface NatsOptions {
  /** Where its configuration and log file go; a new temporary folder by default. */
  dataDir?: string;
  /** Client port; any free one by default. */
  port?: number;
  /** HTTP port of the monitoring pages; any free one by default. */
  monitoringPort?: number;
  /** Also listens for WebSocket clients there, without TLS. */
  websocketPort?: number;
  /** Additional lines of the configuration file, for example `max_payload: 1024`. */
  config?: readonly string[];
}

export interface NatsPeer extends Peer {
  readonly monitoringPort: number;
}

const version = '2.12.15';

async function natsServer(): Promise<string> {
  const folder = await installOnce('nats-server', version, async (bin) => {
    const args = ['install', `github.com/nats-io/nats-server/v2@v${version}`];
    await run('go', args, { env: { GOBIN: bin, GOFLAGS: '-buildvcs=false' }, timeoutMs: 600_000 });
  });
  return join(folder, 'nats-server');
}

export async function startNats(options: NatsOptions = {}): Promise<NatsPeer> {
  const command = await natsServer();
  const [freePort, freeMonitoringPort] = (await freePorts(2)) as [number, number];
  const port = options.port ?? freePort;
  const monitoringPort = options.monitoringPort ?? freeMonitoringPort;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'peer-nats-'));
  mkdirSync(dataDir, { recursive: true });
  const configFile = join(dataDir, 'nats.conf');
  const websocket =
    options.websocketPort === undefined
      ? []
      : [`websocket { listen: "127.0.0.1:${options.websocketPort}", no_tls: true }`];
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitoringPort}"`,
    ...websocket,
    ...(options.config ?? []),
  ];
  writeFileSync(configFile, `${lines.join('\n')}\n`);
  const peer = await startPeer({
    name: 'nats-server',
    version,
    command,
    args: ['-c', configFile],
    port,
    dataDir,
    logFile: join(dataDir, 'nats.log'),
    readyWithinMs: 20_000,
    isReady: (log) => log.includes('Server is ready'),
  });
  return { ...peer, monitoringPort };
}
