/**
 * A real RabbitMQ as one plain process: Debian's packages unpacked into the cache, run with its own
 * home, node name, epmd, ports and data folder, so that nothing touches a RabbitMQ of the machine.
 *
 * epmd is our own foreground child on a free port; Erlang would otherwise leave a daemon behind.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepts, freePorts, type Peer, spawnOwned, startPeer } from './peer-process.ts';
import { unpackDebianPackages } from './debian-packages.ts';

export interface RabbitmqOptions {
  /** Where its data and logs go; a new temporary folder by default. */
  dataDir?: string;
  /** AMQP port; any free one by default. */
  port?: number;
  /** Plugins to enable, for example `rabbitmq_management`. */
  plugins?: readonly string[];
  /** Additional lines of rabbitmq.conf, for example `{ 'vm_memory_high_watermark.absolute': '2GB' }`. */
  config?: Record<string, string>;
}

const packages = [
  'rabbitmq-server',
  ...[
    'base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl',
    'syntax-tools tftp tools xmerl',
  ].flatMap((line) => line.split(' ').map((name) => `erlang-${name}`)),
];

interface Installation {
  home: string;
  version: string;
  erlang: string;
}

export async function startRabbitmq(options: RabbitmqOptions = {}): Promise<Peer> {
  const { home, version, erlang } = await installation();
  const [freePort, epmdPort, distributionPort] = (await freePorts(3)) as [number, number, number];
  const port = options.port ?? freePort;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'peer-rabbitmq-'));
  mkdirSync(dataDir, { recursive: true });
  const config = {
    'listeners.tcp.default': `127.0.0.1:${port}`,
    // The peer shares its disk and memory with the tests: only real shortage should block it.
    'disk_free_limit.absolute': '50MB',
    ...options.config,
  };
  const configLines = Object.entries(config).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(join(dataDir, 'rabbitmq.conf'), `${configLines.join('\n')}\n`);
  writeFileSync(join(dataDir, 'enabled_plugins'), `[${(options.plugins ?? []).join(',')}].\n`);
  const env = {
    PATH: `${join(erlang, 'bin')}:${process.env.PATH}`,
    HOME: dataDir,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `peer${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONF_ENV_FILE: join(dataDir, 'no-rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(dataDir, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(dataDir, 'no-advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dataDir, 'enabled_plugins'),
    RABBITMQ_PLUGINS_DIR: join(home, 'plugins'),
    RABBITMQ_MNESIA_BASE: join(dataDir, 'data'),
    RABBITMQ_LOG_BASE: join(dataDir, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(dataDir, 'pid'),
    // Makes the start script become the server instead of watching it, so that our pid is its pid.
    RABBITMQ_ALLOW_INPUT: '1',
    RABBITMQ_SERVER_START_ARGS: '-noinput -start_epmd false +B i',
  };
  const epmd = spawnOwned(
    join(erlang, 'bin', 'epmd'),
    ['-port', String(epmdPort), '-address', '127.0.0.1'],
    join(dataDir, 'epmd.log'),
    env,
  );
  while (!(await accepts(epmdPort))) {
    if (epmd.exitCode !== null) throw new Error(`epmd ended with ${epmd.exitCode}`);
    await sleep(20);
  }
  return startPeer({
    name: 'rabbitmq',
    version,
    command: join(home, 'sbin', 'rabbitmq-server'),
    args: [],
    env,
    port,
    dataDir,
    logFile: join(dataDir, 'rabbitmq.log'),
    readyWithinMs: 90_000,
    isReady: (log) => log.includes('Server startup complete'),
    afterExit: () => {
      const gone = new Promise<void>((resolve) => epmd.on('exit', () => resolve()));
      if (epmd.exitCode !== null || epmd.signalCode !== null) return Promise.resolve();
      epmd.kill('SIGKILL');
      return gone;
    },
  });
}

async function installation(): Promise<Installation> {
  const root = await unpackDebianPackages('rabbitmq', packages);
  const servers = join(root, 'usr', 'lib', 'rabbitmq', 'lib');
  const server = readdirSync(servers).find((name) => name.startsWith('rabbitmq_server-'));
  if (server === undefined) throw new Error(`no rabbitmq_server in ${servers}`);
  const erlang = join(root, 'usr', 'lib', 'erlang');
  relocateErlang(erlang);
  return { home: join(servers, server), version: server.slice('rabbitmq_server-'.length), erlang };
}

/** Debian's `erl` names /usr/lib/erlang outright; ours lives in the cache. */
function relocateErlang(erlang: string): void {
  const script = join(erlang, 'bin', 'erl');
  const text = readFileSync(script, 'utf8');
  const moved = text.replaceAll(/^(\s*ROOTDIR=).*$/gm, `$1"${erlang}"`);
  if (moved !== text) writeFileSync(script, moved);
}
