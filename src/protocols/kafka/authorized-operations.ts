/**
 * What a client may do with a resource, as bits 1 << code (org.apache.kafka.common.acl.AclOperation).
 * There are no access rules yet, so everybody may do everything; who does not ask is told "unknown".
 */
const READ = 3;
const WRITE = 4;
const CREATE = 5;
const DELETE = 6;
const ALTER = 7;
const DESCRIBE = 8;
const CLUSTER_ACTION = 9;
const DESCRIBE_CONFIGS = 10;
const ALTER_CONFIGS = 11;
const IDEMPOTENT_WRITE = 12;

const NOT_ASKED = -2147483648;

function bits(...codes: number[]): number {
  let sum = 0;
  for (const code of codes) sum |= 1 << code;
  return sum;
}

const TOPIC =
  bits(READ, WRITE, CREATE, DELETE) | bits(ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS);
const CLUSTER =
  bits(CREATE, ALTER, DESCRIBE, CLUSTER_ACTION) |
  bits(DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE);
const GROUP = bits(READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS);

export const AuthorizedOperations = {
  ofTopic: (asked: boolean): number => (asked ? TOPIC : NOT_ASKED),
  ofCluster: (asked: boolean): number => (asked ? CLUSTER : NOT_ASKED),
  ofGroup: (asked: boolean): number => (asked ? GROUP : NOT_ASKED),
} as const;
