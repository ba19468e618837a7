/**
 * Where Posthorn is known to answer otherwise than the real broker, each with its reason. The same
 * program runs against both and asserts the value given here for its target, so that a difference
 * is a decision somebody can read, never an accident; it reaches the programs as `EXPECT_<name>`.
 */
interface Difference {
  posthorn: string;
  peer: string;
  reason: string;
}

const differences: Record<string, Difference> = {
  tx_select: {
    posthorn: '540 NOT_IMPLEMENTED',
    peer: 'works',
    reason: 'AMQP transactions do not exist yet; a plain refusal beats a commit that is none',
  },
  unknown_queue_argument: {
    posthorn: '406',
    peer: 'accepted',
    reason:
      'RabbitMQ ignores x- arguments it does not know; Posthorn accepts nothing and ignores it',
  },
  unknown_exchange_type: {
    posthorn: '406, the channel',
    peer: '503, the connection',
    reason: 'RabbitMQ 4 closes only the channel for it, and clients written for it expect that',
  },
  replication_factor_3: {
    posthorn: 'accepted',
    peer: 'refused',
    reason:
      'applications create their topics with the replication of production; one node keeps them',
  },
  compaction: {
    posthorn: 'refused',
    peer: 'works',
    reason:
      'log compaction does not exist yet; a topic that silently keeps everything would be a lie',
  },
  sqs_missing_queue: {
    posthorn: 'AWS.SimpleQueueService.NonExistentQueue',
    peer: 'QueueDoesNotExist',
    reason: 'ElasticMQ does not name the code of the query protocol, which SDKs show, in a header',
  },
  sqs_batch_prefix: {
    posthorn: 'AWS.SimpleQueueService.',
    peer: '',
    reason: 'the same',
  },
  sqs_out_of_range: {
    posthorn: 'InvalidParameterValue',
    peer: 'InvalidAttributeValue',
    reason: 'ElasticMQ has one code for all values that are wrong, Amazon names parameters apart',
  },
  sqs_contents: {
    posthorn: 'InvalidMessageContents',
    peer: 'InvalidAttributeValue',
    reason: 'the same',
  },
  transient_after_restart: {
    posthorn: 'kept',
    peer: 'gone',
    reason:
      'everything in a durable queue is stored; only for persistent messages does a confirm wait for it',
  },
};

export function expectations(target: 'posthorn' | 'peer'): Record<string, string> {
  return Object.fromEntries(
    Object.entries(differences).map(([name, difference]) => [`EXPECT_${name}`, difference[target]]),
  );
}
