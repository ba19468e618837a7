/**
 * Topics around a Kafka run: made before it, checked and deleted after it, on both sides by the same
 * third-party client (kafkajs), so that nothing of ours vouches for ours.
 */
import { Kafka, logLevel } from 'kafkajs';

function client(port: number): Kafka {
  return new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
}

export async function createTopic(port: number, topic: string): Promise<void> {
  const admin = client(port).admin();
  await admin.connect();
  try {
    const made = await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions: 1, replicationFactor: 1 }],
    });
    if (!made) throw new Error(`topic ${topic} exists already`);
  } finally {
    await admin.disconnect();
  }
}

export async function deleteTopic(port: number, topic: string): Promise<void> {
  const admin = client(port).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.disconnect();
  }
}

/** Throws unless the topic holds exactly `count` records, offsets 0 to count - 1. */
export async function checkCount(port: number, topic: string, count: number): Promise<void> {
  const admin = client(port).admin();
  await admin.connect();
  try {
    const [partition] = await admin.fetchTopicOffsets(topic);
    if (partition?.low === '0' && partition.high === String(count)) return;
    throw new Error(`${topic} holds ${partition?.low}..${partition?.high}, not 0..${count}`);
  } finally {
    await admin.disconnect();
  }
}

const sampled = 500;

/** Throws unless `sampled` records from the middle on have offsets in order and known values. */
export async function checkSample(
  port: number,
  topic: string,
  count: number,
  payloads: ReadonlySet<string>,
): Promise<void> {
  const consumer = client(port).consumer({ groupId: `${topic}-sample` });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const from = Math.floor(count / 2);
    let next = from;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${topic}: no sample in 30 s`)), 30_000);
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      consumer
        .run({
          autoCommit: false,
          eachMessage: ({ message }) => {
            if (next >= from + sampled || Number(message.offset) < from) return Promise.resolve();
            const known = payloads.has(message.value?.toString() ?? '');
            if (message.offset === String(next) && known) next++;
            else settle(new Error(`${topic}: offset ${message.offset} where ${next} was due`));
            if (next === from + sampled) settle();
            return Promise.resolve();
          },
        })
        .catch(settle);
      consumer.seek({ topic, partition: 0, offset: String(from) });
    });
  } finally {
    await consumer.disconnect();
  }
}
