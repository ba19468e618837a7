/**
 * The 23 actions of Amazon SQS (API version 2012-11-05): what each takes and answers, what a caller
 * must be allowed to do, and whether its answer waits for the commit. Both codecs, the types of the
 * handlers and the dispatch are driven by this one table.
 */
import { Permission } from '#core/authenticator.ts';
import {
  BLOB,
  BOOLEAN,
  INTEGER,
  list,
  map,
  optional,
  required,
  structure,
  TEXT,
} from './shapes.ts';
import type { StructureShape, ValueOf } from './shapes.ts';

const QUEUE = { QueueUrl: required(TEXT) };
const ATTRIBUTES = map('Attribute', 'Name', 'Value', TEXT);
const TAGS = map('Tag', 'Key', 'Value', TEXT);
const QUEUE_URLS = list('QueueUrl', TEXT);

const MESSAGE_ATTRIBUTE = structure({
  // Checked with the attribute's name, by who knows it.
  DataType: optional(TEXT),
  StringValue: optional(TEXT),
  BinaryValue: optional(BLOB),
  StringListValues: optional(list('StringListValue', TEXT)),
  BinaryListValues: optional(list('BinaryListValue', BLOB)),
});
const MESSAGE_ATTRIBUTES = map('MessageAttribute', 'Name', 'Value', MESSAGE_ATTRIBUTE);
const SYSTEM_ATTRIBUTES = map('MessageSystemAttribute', 'Name', 'Value', MESSAGE_ATTRIBUTE);

const OUTGOING_MESSAGE = {
  MessageBody: required(TEXT),
  DelaySeconds: optional(INTEGER),
  MessageAttributes: optional(MESSAGE_ATTRIBUTES),
  MessageSystemAttributes: optional(SYSTEM_ATTRIBUTES),
  MessageDeduplicationId: optional(TEXT),
  MessageGroupId: optional(TEXT),
};
const SENT = {
  MessageId: required(TEXT),
  MD5OfMessageBody: required(TEXT),
  MD5OfMessageAttributes: optional(TEXT),
  MD5OfMessageSystemAttributes: optional(TEXT),
  SequenceNumber: optional(TEXT),
};
const RECEIVED = structure({
  MessageId: required(TEXT),
  ReceiptHandle: required(TEXT),
  MD5OfBody: required(TEXT),
  Body: required(TEXT),
  Attributes: optional(ATTRIBUTES),
  MD5OfMessageAttributes: optional(TEXT),
  MessageAttributes: optional(MESSAGE_ATTRIBUTES),
});
/** Left out when none has failed, as AWS does. */
const FAILED = list(
  'BatchResultErrorEntry',
  structure({
    Id: required(TEXT),
    SenderFault: required(BOOLEAN),
    Code: required(TEXT),
    Message: optional(TEXT),
  }),
);
const ONLY_ID = structure({ Id: required(TEXT) });
const MOVE_TASK = structure({
  TaskHandle: optional(TEXT),
  Status: optional(TEXT),
  SourceArn: optional(TEXT),
  DestinationArn: optional(TEXT),
  MaxNumberOfMessagesPerSecond: optional(INTEGER),
  ApproximateNumberOfMessagesMoved: optional(INTEGER),
  ApproximateNumberOfMessagesToMove: optional(INTEGER),
  FailureReason: optional(TEXT),
  StartedTimestamp: optional(INTEGER),
});
const NOTHING = structure({});

interface ActionSpec {
  readonly input: StructureShape;
  readonly output: StructureShape;
  /** On the queue that `QueueUrl` or `QueueName` names, checked before the handler is called; a
   * handler whose queue comes by an ARN asks `call.permit` itself. */
  readonly permission: Permission;
  /** The answer is sent when all that was done until it was given is committed. */
  readonly commits: boolean;
  /** Stores messages: it is slowed while memory is short and refused while the disk is full. */
  readonly publishes?: true;
}

export const ACTIONS = {
  AddPermission: {
    input: structure({
      ...QUEUE,
      Label: required(TEXT),
      AWSAccountIds: required(list('AWSAccountId', TEXT)),
      Actions: required(list('ActionName', TEXT)),
    }),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  CancelMessageMoveTask: {
    input: structure({ TaskHandle: required(TEXT) }),
    output: structure({ ApproximateNumberOfMessagesMoved: optional(INTEGER) }),
    permission: Permission.Read,
    commits: true,
  },
  ChangeMessageVisibility: {
    input: structure({
      ...QUEUE,
      ReceiptHandle: required(TEXT),
      VisibilityTimeout: required(INTEGER),
    }),
    output: NOTHING,
    permission: Permission.Read,
    commits: false,
  },
  ChangeMessageVisibilityBatch: {
    input: structure({
      ...QUEUE,
      Entries: required(
        list(
          'ChangeMessageVisibilityBatchRequestEntry',
          structure({
            Id: required(TEXT),
            ReceiptHandle: required(TEXT),
            VisibilityTimeout: optional(INTEGER),
          }),
        ),
      ),
    }),
    output: structure({
      Successful: required(list('ChangeMessageVisibilityBatchResultEntry', ONLY_ID)),
      Failed: optional(FAILED),
    }),
    permission: Permission.Read,
    commits: false,
  },
  CreateQueue: {
    input: structure({
      QueueName: required(TEXT),
      Attributes: optional(ATTRIBUTES),
      tags: optional(TAGS),
    }),
    output: structure({ QueueUrl: required(TEXT) }),
    permission: Permission.Configure,
    commits: true,
  },
  DeleteMessage: {
    input: structure({ ...QUEUE, ReceiptHandle: required(TEXT) }),
    output: NOTHING,
    permission: Permission.Read,
    commits: true,
  },
  DeleteMessageBatch: {
    input: structure({
      ...QUEUE,
      Entries: required(
        list(
          'DeleteMessageBatchRequestEntry',
          structure({ Id: required(TEXT), ReceiptHandle: required(TEXT) }),
        ),
      ),
    }),
    output: structure({
      Successful: required(list('DeleteMessageBatchResultEntry', ONLY_ID)),
      Failed: optional(FAILED),
    }),
    permission: Permission.Read,
    commits: true,
  },
  DeleteQueue: {
    input: structure(QUEUE),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  GetQueueAttributes: {
    input: structure({ ...QUEUE, AttributeNames: optional(list('AttributeName', TEXT)) }),
    output: structure({ Attributes: optional(ATTRIBUTES) }),
    permission: Permission.Read,
    commits: false,
  },
  GetQueueUrl: {
    input: structure({ QueueName: required(TEXT), QueueOwnerAWSAccountId: optional(TEXT) }),
    output: structure({ QueueUrl: required(TEXT) }),
    permission: Permission.Read,
    commits: false,
  },
  ListDeadLetterSourceQueues: {
    input: structure({ ...QUEUE, NextToken: optional(TEXT), MaxResults: optional(INTEGER) }),
    output: structure({ queueUrls: required(QUEUE_URLS), NextToken: optional(TEXT) }),
    permission: Permission.Read,
    commits: false,
  },
  ListMessageMoveTasks: {
    input: structure({ SourceArn: required(TEXT), MaxResults: optional(INTEGER) }),
    output: structure({ Results: optional(list('ListMessageMoveTasksResultEntry', MOVE_TASK)) }),
    permission: Permission.Read,
    commits: false,
  },
  ListQueueTags: {
    input: structure(QUEUE),
    output: structure({ Tags: optional(TAGS) }),
    permission: Permission.Read,
    commits: false,
  },
  ListQueues: {
    input: structure({
      QueueNamePrefix: optional(TEXT),
      NextToken: optional(TEXT),
      MaxResults: optional(INTEGER),
    }),
    output: structure({ QueueUrls: optional(QUEUE_URLS), NextToken: optional(TEXT) }),
    permission: Permission.Read,
    commits: false,
  },
  PurgeQueue: {
    input: structure(QUEUE),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  ReceiveMessage: {
    input: structure({
      ...QUEUE,
      AttributeNames: optional(list('AttributeName', TEXT)),
      MessageSystemAttributeNames: optional(list('MessageSystemAttributeName', TEXT)),
      MessageAttributeNames: optional(list('MessageAttributeName', TEXT)),
      MaxNumberOfMessages: optional(INTEGER),
      VisibilityTimeout: optional(INTEGER),
      WaitTimeSeconds: optional(INTEGER),
      ReceiveRequestAttemptId: optional(TEXT),
    }),
    output: structure({ Messages: optional(list('Message', RECEIVED)) }),
    permission: Permission.Read,
    commits: false,
  },
  RemovePermission: {
    input: structure({ ...QUEUE, Label: required(TEXT) }),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  SendMessage: {
    input: structure({ ...QUEUE, ...OUTGOING_MESSAGE }),
    output: structure(SENT),
    permission: Permission.Write,
    commits: true,
    publishes: true,
  },
  SendMessageBatch: {
    input: structure({
      ...QUEUE,
      Entries: required(
        list(
          'SendMessageBatchRequestEntry',
          structure({ Id: required(TEXT), ...OUTGOING_MESSAGE }),
        ),
      ),
    }),
    output: structure({
      Successful: required(
        list('SendMessageBatchResultEntry', structure({ Id: required(TEXT), ...SENT })),
      ),
      Failed: optional(FAILED),
    }),
    permission: Permission.Write,
    commits: true,
    publishes: true,
  },
  SetQueueAttributes: {
    input: structure({ ...QUEUE, Attributes: required(ATTRIBUTES) }),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  StartMessageMoveTask: {
    input: structure({
      SourceArn: required(TEXT),
      DestinationArn: optional(TEXT),
      MaxNumberOfMessagesPerSecond: optional(INTEGER),
    }),
    output: structure({ TaskHandle: optional(TEXT) }),
    permission: Permission.Read,
    commits: true,
  },
  TagQueue: {
    input: structure({ ...QUEUE, Tags: required(TAGS) }),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
  UntagQueue: {
    input: structure({ ...QUEUE, TagKeys: required(list('TagKey', TEXT)) }),
    output: NOTHING,
    permission: Permission.Configure,
    commits: true,
  },
} as const satisfies Record<string, ActionSpec>;

export type ActionName = keyof typeof ACTIONS;
export type Input<A extends ActionName> = ValueOf<(typeof ACTIONS)[A]['input']>;
export type Output<A extends ActionName> = ValueOf<(typeof ACTIONS)[A]['output']>;

export type MessageAttribute = ValueOf<typeof MESSAGE_ATTRIBUTE>;
export type MessageAttributes = ValueOf<typeof MESSAGE_ATTRIBUTES>;
/** What SendMessage and one entry of SendMessageBatch have in common. */
export type OutgoingMessage = ValueOf<StructureShape<typeof OUTGOING_MESSAGE>>;
export type SentMessage = ValueOf<StructureShape<typeof SENT>>;
export type ReceivedMessage = ValueOf<typeof RECEIVED>;
export type FailedEntry = ValueOf<typeof FAILED>[number];
export type MoveTaskEntry = ValueOf<typeof MOVE_TASK>;
