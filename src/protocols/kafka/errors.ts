/**
 * Kafka's error codes (org.apache.kafka.common.protocol.Errors), those that this broker answers
 * with, and which of them each refusal of the core becomes. Exhaustive by type.
 */
import { type BrokerError, type BrokerErrorCode, CorruptionError } from '#core/errors.ts';
import type { GroupErrorCode } from '#core/group/group-member.ts';

export const ErrorCode = {
  None: 0,
  OffsetOutOfRange: 1,
  CorruptMessage: 2,
  UnknownTopicOrPartition: 3,
  MessageTooLarge: 10,
  OffsetMetadataTooLarge: 12,
  CoordinatorNotAvailable: 15,
  InvalidTopic: 17,
  InvalidRequiredAcks: 21,
  IllegalGeneration: 22,
  InconsistentGroupProtocol: 23,
  InvalidGroupId: 24,
  UnknownMemberId: 25,
  InvalidSessionTimeout: 26,
  RebalanceInProgress: 27,
  TopicAuthorizationFailed: 29,
  InvalidTimestamp: 32,
  UnsupportedVersion: 35,
  TopicAlreadyExists: 36,
  InvalidPartitions: 37,
  InvalidReplicationFactor: 38,
  InvalidReplicaAssignment: 39,
  InvalidConfig: 40,
  InvalidRequest: 42,
  PolicyViolation: 44,
  OutOfOrderSequenceNumber: 45,
  DuplicateSequenceNumber: 46,
  InvalidProducerEpoch: 47,
  InvalidTxnState: 48,
  TransactionalIdAuthorizationFailed: 53,
  KafkaStorageError: 56,
  UnknownProducerId: 59,
  NonEmptyGroup: 68,
  GroupIdNotFound: 69,
  FetchSessionIdNotFound: 70,
  InvalidFetchSessionEpoch: 71,
  FencedLeaderEpoch: 74,
  UnknownLeaderEpoch: 75,
  UnsupportedCompressionType: 76,
  MemberIdRequired: 79,
  FencedInstanceId: 82,
  GroupSubscribedToTopic: 86,
  InvalidRecord: 87,
  UnknownTopicId: 100,
  InconsistentTopicId: 103,
  FetchSessionTopicIdError: 106,
  MismatchedEndpointType: 114,
  UnsupportedEndpointType: 115,
  RequestTimedOut: 7,
  UnknownServerError: -1,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

const BROKER_ERRORS = {
  'not-found': ErrorCode.UnknownTopicOrPartition,
  'already-exists': ErrorCode.TopicAlreadyExists,
  inequivalent: ErrorCode.InvalidTopic,
  'in-use': ErrorCode.PolicyViolation,
  'not-empty': ErrorCode.PolicyViolation,
  locked: ErrorCode.TopicAuthorizationFailed,
  'access-refused': ErrorCode.TopicAuthorizationFailed,
  'invalid-argument': ErrorCode.InvalidRequest,
  'invalid-name': ErrorCode.InvalidTopic,
  unsupported: ErrorCode.InvalidRequest,
  'too-large': ErrorCode.MessageTooLarge,
  full: ErrorCode.KafkaStorageError,
  'disk-full': ErrorCode.KafkaStorageError,
  'offset-out-of-range': ErrorCode.OffsetOutOfRange,
  'out-of-order-sequence': ErrorCode.OutOfOrderSequenceNumber,
  'duplicate-sequence': ErrorCode.DuplicateSequenceNumber,
  'stale-producer-epoch': ErrorCode.InvalidProducerEpoch,
  'limit-exceeded': ErrorCode.PolicyViolation,
  'timed-out': ErrorCode.RequestTimedOut,
  closed: ErrorCode.CoordinatorNotAvailable,
  unreadable: ErrorCode.KafkaStorageError,
} as const satisfies Record<BrokerErrorCode, ErrorCode>;

const GROUP_ERRORS = {
  'unknown-member': ErrorCode.UnknownMemberId,
  'stale-generation': ErrorCode.IllegalGeneration,
  'rebalance-in-progress': ErrorCode.RebalanceInProgress,
  'member-id-required': ErrorCode.MemberIdRequired,
  'fenced-instance': ErrorCode.FencedInstanceId,
  'inconsistent-protocol': ErrorCode.InconsistentGroupProtocol,
  'invalid-group-id': ErrorCode.InvalidGroupId,
  'invalid-session-timeout': ErrorCode.InvalidSessionTimeout,
  'not-empty': ErrorCode.NonEmptyGroup,
  'group-not-found': ErrorCode.GroupIdNotFound,
  'metadata-too-large': ErrorCode.OffsetMetadataTooLarge,
} as const satisfies Record<GroupErrorCode, ErrorCode>;

export function brokerErrorCode(code: BrokerErrorCode): ErrorCode {
  return BROKER_ERRORS[code];
}

/** What a reader is told whose log gave nothing back. */
export function readErrorCode(error: BrokerError): ErrorCode {
  if (error instanceof CorruptionError) return ErrorCode.CorruptMessage;
  return brokerErrorCode(error.code);
}

export function groupErrorCode(code: GroupErrorCode | null): ErrorCode {
  return code === null ? ErrorCode.None : GROUP_ERRORS[code];
}
