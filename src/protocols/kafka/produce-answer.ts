/**
 * ProduceAnswer: the answer to one Produce, ready but for the commit it waits for.
 *
 *   response: [topic: name | id, [partition i32 | error i16 | baseOffset i64 | logAppendTime i64
 *     | (v5) logStartOffset i64 | (v8) [recordErrors] errorMessage]] | throttle i32
 */
import type { Call } from './call.ts';
import type { ErrorCode } from './errors.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { Writer } from '#wire/writer.ts';

export interface ProducedPartition {
  readonly index: number;
  readonly error: ErrorCode;
  readonly text: string | null;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  /** Null when there is none of that name. */
  readonly partition: Partition | null;
}

export interface ProducedTopic {
  readonly name: string;
  /** Set when the request names topics by id. */
  readonly id: Uint8Array | null;
  readonly partitions: ProducedPartition[];
}

export class ProduceAnswer {
  /** The commit that makes it true; 0 = nothing was appended. */
  readonly generation: number;
  readonly requestBytes: number;
  readonly #call: Call;
  readonly #topics: readonly ProducedTopic[];
  /** acks=0: the client expects nothing. */
  readonly #silent: boolean;

  constructor(
    call: Call,
    topics: readonly ProducedTopic[],
    generation: number,
    requestBytes: number,
    silent: boolean,
  ) {
    this.#call = call;
    this.#topics = topics;
    this.generation = generation;
    this.requestBytes = requestBytes;
    this.#silent = silent;
  }

  write(): void {
    if (this.#silent) return;
    const { version, node } = this.#call;
    const writer = this.#call.begin();
    writer.arrayLength(this.#topics.length);
    for (const topic of this.#topics) {
      if (topic.id === null) writer.string(topic.name);
      else writer.uuid(topic.id);
      writer.arrayLength(topic.partitions.length);
      for (const each of topic.partitions) writePartition(writer, each, version);
      writer.tags();
    }
    if (version >= 1) writer.int32(node.throttleMs);
    writer.tags();
    this.#call.end();
  }
}

function writePartition(writer: Writer, each: ProducedPartition, version: number): void {
  writer.int32(each.index).int16(each.error).int64(each.baseOffset);
  if (version >= 2) writer.int64(each.logAppendTimeMs);
  if (version >= 5) writer.int64(each.error === 0 ? (each.partition?.log.startOffset ?? -1) : -1);
  if (version >= 8) {
    writer.arrayLength(0);
    writer.nullableString(each.text);
  }
  writer.tags();
}
