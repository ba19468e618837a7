/**
 * DescribeLogDirs (35).
 *
 * v2: flexible   v3: an error of the whole   v4: bytes of the volume (KIP-827; not known here: -1)
 */
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { Topic } from '#core/topic/topic.ts';

/** Where the logs of topics lie, relative to the data folder: core knows no files. */
const LOG_DIR = 'topics/default';
const UNKNOWN_BYTES = -1;

interface WantedTopic {
  name: string;
  indexes: number[];
}

export const describeLogDirs = defineHandler<WantedTopic[] | null>({
  key: 35,
  name: 'DescribeLogDirs',
  min: 1,
  max: 4,
  flexibleFrom: 2,

  decode(reader) {
    const topics = reader.nullableArray((r) => {
      const name = r.string();
      const indexes = r.array((each) => each.int32());
      r.tags();
      return { name, indexes };
    });
    reader.tags();
    return topics;
  },

  handle(wanted, call) {
    const { version, node } = call;
    const all = [...node.namespace.topics.values()];
    const found = wanted === null ? all.map(whole) : chosen(wanted, node.namespace.topics);
    call.reply((writer) => {
      writer.int32(0);
      if (version >= 3) writer.int16(ErrorCode.None);
      writer.arrayLength(1).int16(ErrorCode.None).string(LOG_DIR);
      writer.array(found, (w, { name, partitions }) => {
        w.string(name).array(partitions, (each, { index, log }) => {
          each.int32(index).int64(log.sizeBytes).int64(0).bool(false).tags();
        });
        w.tags();
      });
      if (version >= 4) writer.int64(UNKNOWN_BYTES).int64(UNKNOWN_BYTES);
      writer.tags();
      writer.tags();
    });
  },
});

interface FoundTopic {
  name: string;
  partitions: Partition[];
}

function whole({ name, partitions }: Topic): FoundTopic {
  return { name, partitions };
}

/** What is not there is left out, as Kafka does. */
function chosen(wanted: WantedTopic[], topics: ReadonlyMap<string, Topic>): FoundTopic[] {
  const found: FoundTopic[] = [];
  for (const { name, indexes } of wanted) {
    const all = topics.get(name)?.partitions ?? [];
    const partitions = all.filter(({ index }) => indexes.includes(index));
    if (partitions.length > 0) found.push({ name, partitions });
  }
  return found;
}
