/**
 * Kafka's own ProducerPerformance and ConsumerPerformance against either side, with the same JVM
 * options. Producing counts the tool's steady state (its warm-up records excluded) and asks the
 * topic afterwards how much it holds; consuming counts the tool's fetch time (joining excluded).
 * The Java consumer checks the CRC of every batch it reads.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, kafkaClassPath } from '../../scripts/peers/index.ts';
import type { Usage } from '../server-cost.ts';
import { checkCount, checkSample, createTopic, deleteTopic } from './kafka-topic.ts';
import { runTool, type Sample } from './measured-run.ts';

const jvm = ['-Xms512m', '-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
const payloadCount = 1000;

export interface KafkaTarget {
  port: number;
  serverPid: number;
}

export interface ProduceLoad {
  topic: string;
  recordBytes: number;
  records: number;
  warmupRecords: number;
  /** Producer properties beside acks=all and the client's defaults. */
  properties?: readonly string[];
}

/** Creates the topic, produces, checks count and a sample of the content; the topic stays. */
export async function produceTo(target: KafkaTarget, load: ProduceLoad): Promise<Sample> {
  const payloads = payloadsOf(load.recordBytes);
  const bootstrap = `127.0.0.1:${target.port}`;
  await createTopic(target.port, load.topic);
  let usage: Usage | undefined;
  let rate = 0;
  await runTool({
    command: 'java',
    args: [
      ...jvm,
      '-cp',
      await kafkaClassPath(),
      'org.apache.kafka.tools.ProducerPerformance',
      '--bootstrap-server',
      bootstrap,
      '--topic',
      load.topic,
      '--num-records',
      String(load.records),
      '--throughput',
      '-1',
      '--payload-file',
      payloads.file,
      '--warmup-records',
      String(load.warmupRecords),
      '--command-property',
      'acks=all',
      ...(load.properties ?? []),
    ],
    serverPid: target.serverPid,
    onStart: (meter) => meter.start(),
    onLine(line, meter) {
      const steady = /^\d+ steady state records sent, ([\d.]+) records\/sec/.exec(line);
      if (steady === null) return;
      rate = Number(steady[1]);
      usage = meter.stop();
    },
  });
  if (usage === undefined || rate === 0) throw new Error('ProducerPerformance gave no result');
  await checkCount(target.port, load.topic, load.records);
  await checkSample(target.port, load.topic, load.records, payloads.values);
  return { rate, messages: load.records, usage };
}

/** Reads a topic that holds exactly `records` from its beginning to its end. */
export async function consumeFrom(
  target: KafkaTarget,
  topic: string,
  records: number,
  recordBytes: number,
): Promise<Sample> {
  let usage: Usage | undefined;
  let rate = 0;
  await runTool({
    command: 'java',
    args: [
      ...jvm,
      '-cp',
      await kafkaClassPath(),
      'org.apache.kafka.tools.ConsumerPerformance',
      '--bootstrap-server',
      `127.0.0.1:${target.port}`,
      '--topic',
      topic,
      '--num-records',
      String(records),
      '--hide-header',
      '--timeout',
      '20000',
    ],
    serverPid: target.serverPid,
    onStart: (meter) => meter.start(),
    onLine(line, meter) {
      // start.time, end.time, MB, MB.sec, nMsg, nMsg.sec, rebalance.ms, fetch.ms, fetch.MB.sec, fetch.nMsg.sec
      const columns = line.split(', ');
      if (columns.length !== 10 || !line.startsWith('20')) return;
      const bytes = Math.round(Number(columns[2]) * 1024 * 1024);
      if (Number(columns[4]) !== records || Math.abs(bytes - records * recordBytes) > 1024) {
        throw new Error(`${topic}: ConsumerPerformance read ${columns[4]} records, ${bytes} bytes`);
      }
      rate = Number(columns[9]);
      usage = meter.stop();
    },
  });
  if (usage === undefined || rate === 0) throw new Error(`${topic}: no result from the consumer`);
  return { rate, messages: records, usage };
}

export { deleteTopic };

/** Distinct lines of exactly `bytes` characters, the same on every run and every side. */
function payloadsOf(bytes: number): { file: string; values: ReadonlySet<string> } {
  const folder = join(cacheFolder, 'bench');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `payloads-${bytes}.txt`);
  let state = 0x9e3779b9;
  const lines: string[] = [];
  for (let line = 0; line < payloadCount; line++) {
    let text = '';
    while (text.length < bytes) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      text += String.fromCharCode(65 + ((state >>> 24) % 26));
    }
    lines.push(text);
  }
  writeFileSync(file, lines.join('\n'));
  return { file, values: new Set(lines) };
}
