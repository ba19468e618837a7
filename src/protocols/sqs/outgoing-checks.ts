/**
 * What AWS demands of a message that is sent: the characters of body and text attributes, names and
 * types of attributes, the ids of FIFO queues, sizes in bytes of UTF-8. The texts are AWS's own,
 * since people match them.
 */
import type { MessageAttribute, MessageAttributes, OutgoingMessage } from './actions.ts';
import { invalidValue, missingParameter, SqsError } from './errors.ts';
import { DELAY_SECONDS_MAX } from './queue-attributes.ts';

export const TRACE_HEADER = 'AWSTraceHeader';
const ATTRIBUTES_MAX = 10;
const NAME_LENGTH_MAX = 256;
const VALID_CHARACTERS =
  '#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF';
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
/** Letters with accents are not documented, but taken. */
const ATTRIBUTE_NAME = /^[A-Za-z0-9_.\u00c0-\u017f-]+$/;
const RESERVED_NAME = /^(?:aws\.|amazon\.|\.)|\.$/i;
const ATTRIBUTE_TYPE = /^(String|Number|Binary)(?:\.|$)/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const FIFO_ID = /^[!-~]{1,128}$/;

function refuse(message: string): never {
  throw new SqsError('InvalidParameterValueException', message);
}

/** Characters of XML 1.0 only. */
export function isText(text: string): boolean {
  return !CONTROL.test(text) && text.isWellFormed();
}

export function checkBody(body: string): void {
  if (body === '') throw missingParameter('MessageBody');
  if (isText(body)) return;
  throw new SqsError(
    'InvalidMessageContents',
    `Invalid characters found. Valid unicode characters are ${VALID_CHARACTERS}`,
  );
}

/** What AWS counts: body, and names, types and values of attributes. */
export function messageBytes({ MessageBody, MessageAttributes }: OutgoingMessage): number {
  const bytes = Buffer.byteLength(MessageBody);
  return MessageAttributes === undefined ? bytes : bytes + attributesBytes(MessageAttributes);
}

function attributesBytes(attributes: MessageAttributes): number {
  let bytes = 0;
  for (const name in attributes) {
    const { DataType, StringValue, BinaryValue } = attributes[name]!;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType ?? '');
    bytes += BinaryValue?.length ?? Buffer.byteLength(StringValue ?? '');
  }
  return bytes;
}

/** `inBatch`: AWS says it in other words there. */
export function checkSize(message: OutgoingMessage, bytesMax: number, inBatch: boolean): void {
  // A character has three bytes at most, where it is one unit of UTF-16.
  const { MessageBody, MessageAttributes } = message;
  if (MessageAttributes === undefined && MessageBody.length * 3 <= bytesMax) return;
  if (messageBytes(message) <= bytesMax) return;
  const what = inBatch ? 'cannot be validated' : 'are invalid';
  refuse(`One or more parameters ${what}. Reason: Message must be shorter than ${bytesMax} bytes.`);
}

export function checkAttributes(attributes: MessageAttributes | undefined): void {
  if (attributes === undefined) return;
  const names = Object.keys(attributes);
  if (names.length > ATTRIBUTES_MAX) {
    refuse(
      `Number of message attributes [${names.length}] exceeds the allowed maximum ` +
        `[${ATTRIBUTES_MAX}].`,
    );
  }
  for (const name of names) {
    checkAttributeName(name);
    checkAttribute(name, attributes[name]!);
  }
}

/** Whether a sender may call an attribute so. */
export function isAttributeName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && isSpelled(name) && !RESERVED_NAME.test(name);
}

function isSpelled(name: string): boolean {
  return ATTRIBUTE_NAME.test(name) && !name.includes('..');
}

function checkAttributeName(name: string): void {
  if (name.length > NAME_LENGTH_MAX) {
    refuse('Message (user) attribute names must be shorter than 256 Bytes');
  }
  if (!isSpelled(name)) {
    refuse(
      `The message attribute name '${name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, ` +
        'underscore (_), hyphen (-), and period (.) characters.',
    );
  }
  if (RESERVED_NAME.test(name)) {
    refuse(
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are " +
        "reserved for internal use. Additionally, they cannot start or end with '.'.",
    );
  }
}

function checkAttribute(name: string, attribute: MessageAttribute): void {
  const { DataType, StringListValues, BinaryListValues } = attribute;
  if (DataType === undefined || DataType === '') {
    refuse(`The message attribute '${name}' must contain non-empty message attribute value.`);
  }
  if (StringListValues !== undefined || BinaryListValues !== undefined) {
    throw new SqsError(
      'UnsupportedOperation',
      'Message attribute list values in SendMessage operation are not supported.',
    );
  }
  if (DataType.length > NAME_LENGTH_MAX) {
    refuse('Message (user) attribute types must be shorter than 256 Bytes');
  }
  const type = ATTRIBUTE_TYPE.exec(DataType)?.[1];
  if (type === undefined) {
    refuse(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported ` +
        'type prefixes is Binary, Number, and String.',
    );
  }
  checkValue(name, type, attribute);
}

function checkValue(name: string, type: string, attribute: MessageAttribute): void {
  const { StringValue, BinaryValue } = attribute;
  const isBinary = type === 'Binary';
  const other = isBinary ? StringValue : BinaryValue;
  if (other !== undefined) {
    const field = isBinary ? 'Binary' : 'String';
    refuse(`The message attribute '${name}' with type '${type}' must use field '${field}'.`);
  }
  const value = isBinary ? BinaryValue : StringValue;
  if (value === undefined || value.length === 0) {
    refuse(`Message (user) attribute '${name}' must contain a non-empty value of type '${type}'.`);
  }
  if (typeof value !== 'string') return;
  if (type === 'Number' && !NUMBER.test(value)) {
    refuse(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  }
  if (isText(value)) return;
  refuse(`Invalid characters found. Valid unicode characters are ${VALID_CHARACTERS}`);
}

/** The trace header, or null. */
export function checkSystemAttributes(attributes: MessageAttributes | undefined): string | null {
  if (attributes === undefined) return null;
  for (const name in attributes) {
    if (name === TRACE_HEADER) continue;
    refuse(`Message system attribute name '${name}' is invalid.`);
  }
  const header = attributes[TRACE_HEADER];
  if (header === undefined) return null;
  checkAttribute(TRACE_HEADER, header);
  if (header.DataType === 'String') return header.StringValue!;
  return refuse(`The message system attribute '${TRACE_HEADER}' must be of type 'String'.`);
}

/** Of MessageGroupId, MessageDeduplicationId, ReceiveRequestAttemptId. */
export function checkId(name: string, id: string): void {
  if (FIFO_ID.test(id)) return;
  throw invalidValue(
    name,
    id,
    `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
  );
}

export function wrongForQueueType(name: string, value: string | number): SqsError {
  return invalidValue(
    name,
    value,
    'The request include parameter that is not valid for this queue type.',
  );
}

/** Of one message; a FIFO queue has a delay of its own only. */
export function checkDelay(delaySeconds: number | undefined, isFifo: boolean): void {
  if (delaySeconds === undefined || delaySeconds === 0) return;
  if (isFifo) throw wrongForQueueType('DelaySeconds', delaySeconds);
  if (delaySeconds > 0 && delaySeconds <= DELAY_SECONDS_MAX) return;
  throw invalidValue(
    'DelaySeconds',
    delaySeconds,
    `DelaySeconds must be >= 0 and <= ${DELAY_SECONDS_MAX}.`,
  );
}
