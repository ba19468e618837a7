/**
 * Errors in SQS's words. An error has a shape name, which JSON calls it by (`com.amazonaws.sqs#…`),
 * and the code of the Query protocol, which older SDKs know and which JSON repeats in the header
 * `x-amzn-query-error`. Every refusal of the core becomes one of them, exhaustively by type.
 */
import type { BrokerError, BrokerErrorCode } from '#core/errors.ts';
import type { FailedEntry } from './actions.ts';

interface ErrorSpec {
  /** What the Query protocol, and a failed entry of a batch, call it. */
  readonly code: string;
  readonly status: number;
  /** When whoever throws it has nothing better to say. */
  readonly message: string;
  /** The Query protocol's, where it differs. */
  readonly queryMessage?: string;
}

const LEGACY = 'AWS.SimpleQueueService.';

function sender(code: string, message: string, status = 400): ErrorSpec {
  return { code, status, message };
}

/** By the name of the shape. Statuses from 500 on are the broker's fault ("Receiver"). */
const ERRORS = {
  BatchEntryIdsNotDistinct: sender(
    `${LEGACY}BatchEntryIdsNotDistinct`,
    'Two or more batch entries in the request have the same Id.',
  ),
  BatchRequestTooLong: sender(
    `${LEGACY}BatchRequestTooLong`,
    'The length of all the messages put together is more than the limit.',
  ),
  EmptyBatchRequest: sender(
    `${LEGACY}EmptyBatchRequest`,
    "The batch request doesn't contain any entries.",
  ),
  InvalidAddress: sender('InvalidAddress', 'The specified ID is invalid.', 404),
  InvalidAttributeName: sender('InvalidAttributeName', "The specified attribute doesn't exist."),
  InvalidAttributeValue: sender('InvalidAttributeValue', 'A queue attribute value is invalid.'),
  InvalidBatchEntryId: sender(
    `${LEGACY}InvalidBatchEntryId`,
    'A batch entry id can only contain alphanumeric characters, hyphens and underscores. ' +
      'It can be at most 80 letters long.',
  ),
  InvalidMessageContents: sender(
    'InvalidMessageContents',
    'The message contains characters outside the allowed set.',
  ),
  InvalidSecurity: sender(
    'InvalidSecurity',
    'The request was not made over HTTPS or did not use SigV4 for signing.',
    403,
  ),
  MessageNotInflight: sender(
    `${LEGACY}MessageNotInflight`,
    'The specified message is not in flight.',
  ),
  OverLimit: sender('OverLimit', 'The specified action violates a limit.', 403),
  PurgeQueueInProgress: sender(
    `${LEGACY}PurgeQueueInProgress`,
    'Only one PurgeQueue operation is allowed every 60 seconds.',
    403,
  ),
  QueueDeletedRecently: sender(
    `${LEGACY}QueueDeletedRecently`,
    'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
  ),
  QueueDoesNotExist: {
    ...sender(`${LEGACY}NonExistentQueue`, 'The specified queue does not exist.'),
    queryMessage: 'The specified queue does not exist for this wsdl version.',
  },
  QueueNameExists: sender('QueueAlreadyExists', 'A queue with this name already exists.'),
  ReceiptHandleIsInvalid: sender(
    'ReceiptHandleIsInvalid',
    'The specified receipt handle is not valid.',
    404,
  ),
  RequestThrottled: sender('RequestThrottled', 'The request was denied due to throttling.', 403),
  ResourceNotFoundException: sender(
    'ResourceNotFoundException',
    'One or more specified resources do not exist.',
    404,
  ),
  TooManyEntriesInBatchRequest: sender(
    `${LEGACY}TooManyEntriesInBatchRequest`,
    'The batch request contains more entries than permissible.',
  ),
  UnsupportedOperation: sender(`${LEGACY}UnsupportedOperation`, 'Unsupported operation.'),

  // Those that the service model does not list.
  InvalidParameterValueException: sender(
    'InvalidParameterValue',
    'One or more parameters are invalid.',
  ),
  MissingRequiredParameterException: sender(
    'MissingParameter',
    'The request must contain a parameter that is not there.',
  ),
  InvalidActionException: sender('InvalidAction', 'The action is not valid for this endpoint.'),
  NoSuchVersion: sender('NoSuchVersion', 'The requested version does not exist.'),
  UnknownOperationException: sender('UnknownOperationException', 'The operation is not known.'),
  SerializationException: sender('MalformedInput', 'The request cannot be read.'),
  MalformedQueryString: sender(
    'MalformedQueryString',
    'The query string contains a syntax error.',
    404,
  ),
  AccessDeniedException: sender('AccessDenied', 'Access to the resource is denied.', 403),
  MissingAuthenticationTokenException: sender(
    'MissingAuthenticationToken',
    'Request is missing Authentication Token',
    403,
  ),
  IncompleteSignatureException: sender(
    'IncompleteSignature',
    'The request signature does not conform to AWS standards.',
    403,
  ),
  InvalidSignatureException: sender(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. ' +
      'Check your AWS Secret Access Key and signing method. ' +
      'Consult the service documentation for details.',
    403,
  ),
  UnrecognizedClientException: sender(
    'InvalidClientTokenId',
    'The security token included in the request is invalid.',
    403,
  ),
  RequestExpired: sender('RequestExpired', 'Request has expired.', 403),
  InternalFailure: sender('InternalFailure', 'The request failed inside the broker.', 500),
  ServiceUnavailable: sender('ServiceUnavailable', 'Service is unavailable.', 503),
} as const satisfies Record<string, ErrorSpec>;

export type SqsErrorName = keyof typeof ERRORS;

/** A refusal in SQS's words. */
export class SqsError extends Error {
  /** Of the shape. */
  readonly shape: SqsErrorName;
  readonly #given: string | undefined;

  constructor(shape: SqsErrorName, message?: string) {
    super(message ?? ERRORS[shape].message);
    this.name = 'SqsError';
    this.shape = shape;
    this.#given = message;
  }

  /** The Query protocol's. */
  get code(): string {
    return ERRORS[this.shape].code;
  }

  get queryMessage(): string {
    const spec: ErrorSpec = ERRORS[this.shape];
    return this.#given ?? spec.queryMessage ?? spec.message;
  }

  get status(): number {
    return ERRORS[this.shape].status;
  }

  /** The sender's fault, not the broker's. */
  get isSenders(): boolean {
    return this.status < 500;
  }

  /** As one entry of a batch that failed, while the others may succeed. */
  entry(id: string): FailedEntry {
    const { code, isSenders, message } = this;
    return { Id: id, SenderFault: isSenders, Code: code, Message: message };
  }
}

export function missingParameter(name: string): SqsError {
  return new SqsError(
    'MissingRequiredParameterException',
    `The request must contain the parameter ${name}.`,
  );
}

/** "Value x for parameter Name is invalid. Reason: …" */
export function invalidValue(name: string, value: string | number, reason: string): SqsError {
  return new SqsError(
    'InvalidParameterValueException',
    `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`,
  );
}

const BROKER_ERRORS = {
  'not-found': 'QueueDoesNotExist',
  'already-exists': 'QueueNameExists',
  inequivalent: 'QueueNameExists',
  'in-use': 'UnsupportedOperation',
  'not-empty': 'UnsupportedOperation',
  locked: 'AccessDeniedException',
  'access-refused': 'AccessDeniedException',
  'invalid-argument': 'InvalidParameterValueException',
  'invalid-name': 'InvalidParameterValueException',
  unsupported: 'UnsupportedOperation',
  'too-large': 'InvalidParameterValueException',
  full: 'OverLimit',
  'disk-full': 'ServiceUnavailable',
  'offset-out-of-range': 'InvalidParameterValueException',
  'out-of-order-sequence': 'InvalidParameterValueException',
  'duplicate-sequence': 'InvalidParameterValueException',
  'stale-producer-epoch': 'InvalidParameterValueException',
  'limit-exceeded': 'OverLimit',
  'timed-out': 'ServiceUnavailable',
  closed: 'ServiceUnavailable',
  unreadable: 'InternalFailure',
} as const satisfies Record<BrokerErrorCode, SqsErrorName>;

/** Clients match these by their own texts; all others say what the core says. */
const OWN_TEXT: ReadonlySet<BrokerErrorCode> = new Set(['not-found']);

export function asSqsError(error: SqsError | BrokerError): SqsError {
  if (error instanceof SqsError) return error;
  const shape = BROKER_ERRORS[error.code];
  return OWN_TEXT.has(error.code) ? new SqsError(shape) : new SqsError(shape, error.message);
}
