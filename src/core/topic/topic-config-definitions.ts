/**
 * Every topic setting of Kafka 4, with its type, default and limits
 * (org.apache.kafka.storage.internals.log.LogConfig), and `posthorn.sync`.
 *
 * `effect`: why a setting that is accepted changes nothing here; absent when it works. `refused`:
 * values that would change what is stored or kept and are not built.
 */
export type ConfigType = 'string' | 'list' | 'boolean' | 'short' | 'int' | 'long' | 'double';

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  readonly default: string;
  /** The broker-wide setting that Kafka 4.2 names as its synonym when neither is set. */
  readonly synonym: string | null;
  readonly allowed?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** 'changed' = every value but the default. */
  readonly refused?: { readonly values: readonly string[] | 'changed'; readonly reason: string };
  /** Why it has no effect. */
  readonly effect?: string;
  readonly documentation: string;
}

export const INT64_MAX = '9223372036854775807';

const ONE_NODE = 'There is one replica: nothing is replicated, elected or throttled.';
const NO_COMPACTION = 'Topics are not compacted.';
const NO_TIERS = 'There is no remote storage.';

export const CONFIG_DEFINITIONS: readonly ConfigDefinition[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: 'delete',
    synonym: 'log.cleanup.policy',
    allowed: ['compact', 'delete'],
    refused: { values: ['compact'], reason: 'Log compaction is not supported; use delete' },
    documentation: 'What becomes of old segments: they are deleted.',
  },
  {
    name: 'compression.gzip.level',
    type: 'int',
    default: '-1',
    synonym: 'compression.gzip.level',
    min: -1,
    max: 9,
    refused: { values: ['0'], reason: 'Value must be -1 or in the range from 1 to 9' },
    documentation: 'Level for compression.type gzip; -1 is the default of the codec.',
  },
  {
    name: 'compression.lz4.level',
    type: 'int',
    default: '9',
    synonym: 'compression.lz4.level',
    min: 1,
    max: 17,
    refused: { values: 'changed', reason: 'The LZ4 codec here has one level' },
    documentation: 'Level for compression.type lz4.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    synonym: 'compression.type',
    allowed: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    documentation: 'producer keeps batches as they were sent; anything else recompresses them.',
  },
  {
    name: 'compression.zstd.level',
    type: 'int',
    default: '3',
    synonym: 'compression.zstd.level',
    min: -131072,
    max: 22,
    documentation: 'Level for compression.type zstd.',
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: '86400000',
    synonym: 'log.cleaner.delete.retention.ms',
    min: 0,
    effect: NO_COMPACTION,
    documentation: 'How long tombstones of a compacted topic are kept.',
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: '60000',
    synonym: 'log.segment.delete.delay.ms',
    min: 0,
    effect: 'Deleted segments stay open for the reads that use them and are unlinked at once.',
    documentation: 'How long the file of a deleted segment stays.',
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: INT64_MAX,
    synonym: 'log.flush.interval.messages',
    min: 1,
    documentation: 'Any finite value syncs every commit, which is at least as often.',
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: INT64_MAX,
    synonym: null,
    min: 0,
    documentation: 'Any finite value syncs every commit, which is at least as often.',
  },
  {
    name: 'follower.replication.throttled.replicas',
    type: 'list',
    default: '',
    synonym: null,
    effect: ONE_NODE,
    documentation: 'Replicas whose followers are throttled.',
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    synonym: 'log.index.interval.bytes',
    min: 0,
    documentation: 'Bytes between two entries of the offset index.',
  },
  {
    name: 'leader.replication.throttled.replicas',
    type: 'list',
    default: '',
    synonym: null,
    effect: ONE_NODE,
    documentation: 'Replicas whose leader is throttled.',
  },
  {
    name: 'local.retention.bytes',
    type: 'long',
    default: '-2',
    synonym: 'log.local.retention.bytes',
    min: -2,
    effect: NO_TIERS,
    documentation: 'What is kept locally of a tiered topic.',
  },
  {
    name: 'local.retention.ms',
    type: 'long',
    default: '-2',
    synonym: 'log.local.retention.ms',
    min: -2,
    effect: NO_TIERS,
    documentation: 'How long a tiered topic is kept locally.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: INT64_MAX,
    synonym: 'log.cleaner.max.compaction.lag.ms',
    min: 1,
    effect: NO_COMPACTION,
    documentation: 'Latest time at which a record is compacted.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: '1048588',
    synonym: 'message.max.bytes',
    min: 0,
    documentation: 'Largest batch.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: '3600000',
    synonym: 'log.message.timestamp.after.max.ms',
    min: 0,
    documentation: 'How far a record may be ahead of the clock.',
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: INT64_MAX,
    synonym: 'log.message.timestamp.before.max.ms',
    min: 0,
    documentation: 'How far a record may be behind the clock.',
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    synonym: 'log.message.timestamp.type',
    allowed: ['CreateTime', 'LogAppendTime'],
    documentation: "Whether records carry the producer's time or the broker's.",
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    synonym: 'log.cleaner.min.cleanable.ratio',
    min: 0,
    max: 1,
    effect: NO_COMPACTION,
    documentation: 'How much of a log must be uncompacted before it is compacted.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    synonym: 'log.cleaner.min.compaction.lag.ms',
    min: 0,
    effect: NO_COMPACTION,
    documentation: 'Earliest time at which a record is compacted.',
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: '1',
    synonym: 'min.insync.replicas',
    min: 1,
    effect: `${ONE_NODE} The one replica is always in sync.`,
    documentation: 'Replicas that must have a record before acks=all is answered.',
  },
  {
    name: 'posthorn.sync',
    type: 'string',
    default: 'commit',
    synonym: 'posthorn.sync',
    allowed: ['commit', 'os'],
    documentation: 'Whether a record is safe after fdatasync (commit) or after the write (os).',
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: 'false',
    synonym: 'log.preallocate',
    effect: 'Segments are always written ahead of what they hold and trimmed when closed.',
    documentation: 'Whether a new segment takes its whole size at once.',
  },
  {
    name: 'remote.log.copy.disable',
    type: 'boolean',
    default: 'false',
    synonym: null,
    effect: NO_TIERS,
    documentation: 'Whether a tiered topic stops copying.',
  },
  {
    name: 'remote.log.delete.on.disable',
    type: 'boolean',
    default: 'false',
    synonym: null,
    effect: NO_TIERS,
    documentation: 'Whether tiered data goes when tiering is switched off.',
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: 'false',
    synonym: null,
    refused: { values: 'changed', reason: 'There is no remote storage' },
    documentation: 'Whether old segments move to remote storage.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    synonym: 'log.retention.bytes',
    documentation: 'Size of a partition above which its oldest segments are deleted; -1 = any.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: '604800000',
    synonym: null,
    min: -1,
    documentation: 'Age at which a segment is deleted; -1 = never.',
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: '1073741824',
    synonym: 'log.segment.bytes',
    min: 1048576,
    documentation: 'Size at which a new segment begins.',
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: '10485760',
    synonym: 'log.index.size.max.bytes',
    min: 4,
    effect: 'Indexes grow as they need and cannot be full.',
    documentation: 'Size of the offset index.',
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: '0',
    synonym: null,
    min: 0,
    effect: 'Segments roll one at a time in one process: there is no storm to spread out.',
    documentation: 'Random time taken off segment.ms.',
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: '604800000',
    synonym: null,
    min: 1,
    documentation: 'Age at which a new segment begins.',
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: 'false',
    synonym: 'unclean.leader.election.enable',
    effect: ONE_NODE,
    documentation: 'Whether a replica that lags may become leader.',
  },
];
