/**
 * Runs real clients, unmodified, against Posthorn and against the real Kafka, RabbitMQ, nats-server
 * and ElasticMQ: the same programs with the same assertions. Prints a table and ends with `N passed, N failed`.
 *
 *   npm run test:clients -- [--only <client>] [--target posthorn|peer] [--scenario <part of name>]
 *
 * What it needs is installed once into `.cache/`. A client that cannot be installed is left out with
 * a warning on a developer's machine and is a failure on CI (where `CI` is set).
 */
import { parseArgs } from 'node:util';
import { clientTable, type Result, table } from './results.ts';
import { type Source, sources } from './sources.ts';
import type { Suite } from './suite.ts';
import { peerTarget, posthornTarget, type Protocol, type Target } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    target: { type: 'string' },
    scenario: { type: 'string' },
  },
});
if (options.scenario !== undefined) process.env.SCENARIO = options.scenario;

const starts = { posthorn: posthornTarget, peer: peerTarget };
const onCi = ![undefined, '', '0', 'false'].includes(process.env.CI);

/**
 * What runs side by side, each against brokers of its own: most of the time every program waits, and
 * some of them restart the broker.
 */
const lanes: readonly (readonly Protocol[])[] = [
  ['kafka', 'amqp'],
  ['nats', 'sqs'],
];

interface Prepared {
  source: Source;
  suites: Suite[];
}

const wanted = (client: string): boolean => options.only === undefined || options.only === client;

/** Installs the clients; whatever cannot be is added to `missing`. */
function prepare(missing: Result[]): Promise<Prepared[]> {
  return Promise.all(
    sources
      .filter((source) => source.clients.some(wanted))
      .map(async (source) => {
        try {
          const suites = (await source.suites()).filter((suite) => wanted(suite.client));
          return { source, suites };
        } catch (error) {
          const problem = `cannot be installed: ${(error as Error).message}`;
          console.error(`${source.clients.join(', ')}: ${problem}`);
          for (const client of source.clients.filter(wanted)) {
            missing.push({ client, target: 'install', scenario: '(install)', tookMs: 0, problem });
          }
          return { source, suites: [] };
        }
      }),
  );
}

interface Lane {
  name: Target['name'];
  protocols: readonly Protocol[];
  /** What failed, when it did not start. */
  target: Target | Error;
}

function runs(lane: readonly Protocol[], source: Source): boolean {
  return source.needs.some((need) => lane.includes(need));
}

/** Starts the brokers of every lane on every side, installing those that are not there yet. */
function startLanes(names: readonly Target['name'][]): Promise<Lane[]> {
  const chosen = sources.filter((source) => source.clients.some(wanted));
  const needed = lanes.filter((lane) => chosen.some((source) => runs(lane, source)));
  const starting = names.flatMap((name) =>
    needed.map(async (protocols): Promise<Lane> => {
      const own = chosen.filter((source) => runs(protocols, source));
      const needs = new Set(own.flatMap((source) => source.needs));
      const target = await starts[name](needs).catch((error: Error) => error);
      return { name, protocols, target };
    }),
  );
  return Promise.all(starting);
}

async function runLane(lane: Lane, prepared: readonly Prepared[]): Promise<Result[]> {
  const { name, protocols, target } = lane;
  const failed = (scenario: string, { message }: Error): Result => {
    const client = `(${protocols.join(', ')})`;
    return { client, target: name, scenario, tookMs: 0, problem: message };
  };
  if (target instanceof Error) return [failed('the broker starts', target)];
  const own = prepared.filter(({ source }) => runs(protocols, source));
  const results = await runSuites(
    target,
    own.flatMap((each) => each.suites),
  );
  try {
    await target.stop();
  } catch (error) {
    results.push(failed('the broker still runs', error as Error));
  }
  return results;
}

async function runSuites(target: Target, all: readonly Suite[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const suite of all) {
    const some = await suite.run(target);
    results.push(...some);
    for (const result of some) {
      const mark = result.problem === undefined ? 'ok  ' : 'FAIL';
      console.log(`${mark} ${target.name.padEnd(8)} ${suite.client}: ${result.scenario}`);
      if (result.problem !== undefined)
        console.log(result.problem.trimEnd().replaceAll(/^/gm, '       '));
    }
  }
  return results;
}

function report(results: readonly Result[], missing: readonly Result[], seconds: number): number {
  console.log(`\n${table(results)}\n\n${clientTable(results)}\n`);
  if (missing.length > 0) {
    const names = missing.map((result) => result.client).join(', ');
    console.log(`not installed, not run: ${names}${onCi ? '' : ' (a failure on CI)'}`);
  }
  const failed = results.filter((result) => result.problem !== undefined).length;
  console.log(`${seconds} s`);
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 && results.length > 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const startedAt = Date.now();
  const seconds = (): number => Math.round((Date.now() - startedAt) / 1000);
  const names = (['posthorn', 'peer'] as const).filter(
    (name) => options.target === undefined || options.target === name,
  );
  if (names.length === 0) {
    console.error(`--target is posthorn or peer, not ${options.target}`);
    return 2;
  }
  if (!sources.some((source) => source.clients.some(wanted))) {
    const known = sources.flatMap((source) => source.clients).join(', ');
    console.error(`no client ${options.only}; there are ${known}`);
    return 2;
  }
  const missing: Result[] = [];
  const [prepared, started] = await Promise.all([prepare(missing), startLanes(names)]);
  console.log(`clients and brokers installed and started after ${seconds()} s`);
  const results = (await Promise.all(started.map((lane) => runLane(lane, prepared)))).flat();
  if (onCi) results.push(...missing);
  return report(results, missing, seconds());
}

process.exit(await main());
