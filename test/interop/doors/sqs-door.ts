/** The door of Amazon SQS, through its SDK: sends to one queue, receives from another. */
import {
  DeleteMessageCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  asText,
  type Door,
  FROM_QUEUE,
  isText,
  namedHeaders,
  nothingSeen,
  type Seen,
  type Sent,
  sortHeaders,
  TO_SQS,
  type Value,
} from './door.ts';

const ENCODING = 'content-transfer-encoding';

export class SqsDoor implements Door {
  readonly name = 'sqs';
  readonly seen: Seen[] = [];
  readonly #client: SQSClient;
  readonly #endpoint: string;
  readonly #over = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  private constructor(endpoint: string) {
    this.#endpoint = endpoint;
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    this.#client = new SQSClient({ endpoint, region: 'us-east-1', credentials });
  }

  static open(endpoint: string): SqsDoor {
    const door = new SqsDoor(endpoint);
    door.#reading = door.#read();
    return door;
  }

  cannotSend({ body, timestampMs, repeated, headers = {} }: Sent): boolean {
    if (body === null || body?.length === 0) return true;
    return timestampMs !== undefined || repeated !== undefined || 'un usual' in headers;
  }

  async publish(sent: Sent): Promise<void> {
    const attributes: Record<string, MessageAttributeValue> = {};
    for (const [name, value] of namedHeaders(sent)) attributes[name] = attribute(value);
    if (sent.replyTo !== undefined) attributes['reply-to'] = attribute(sent.replyTo);
    const body = sent.body ?? Buffer.from('x');
    if (!isText(body)) attributes[ENCODING] = attribute('base64');
    await this.#client.send(
      new SendMessageCommand({
        QueueUrl: this.#url(FROM_QUEUE),
        MessageBody: isText(body) ? body.toString() : body.toString('base64'),
        MessageAttributes: attributes,
        ...(sent.key === undefined ? {} : { MessageGroupId: sent.key }),
      }),
    );
  }

  sends(value: Value): Value {
    return typeof value === 'number' || Buffer.isBuffer(value) ? value : asText(value);
  }

  shows(value: Value): Value {
    return this.sends(value);
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#reading;
    this.#client.destroy();
  }

  async #read(): Promise<void> {
    const receive = new ReceiveMessageCommand({
      QueueUrl: this.#url(TO_SQS),
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 1,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    });
    while (!this.#over.signal.aborted) {
      const { Messages = [] } = await this.#client.send(receive);
      for (const message of Messages) {
        this.seen.push(seenFrom(message));
        const gone = { QueueUrl: this.#url(TO_SQS), ReceiptHandle: message.ReceiptHandle };
        await this.#client.send(new DeleteMessageCommand(gone));
      }
    }
  }

  #url(queue: string): string {
    return `${this.#endpoint}/000000000000/${queue}`;
  }
}

function attribute(value: Value): MessageAttributeValue {
  if (typeof value === 'number') return { DataType: 'Number', StringValue: String(value) };
  if (Buffer.isBuffer(value)) return { DataType: 'Binary', BinaryValue: value };
  return { DataType: 'String', StringValue: asText(value) };
}

function seenFrom({ Body, Attributes, MessageAttributes = {} }: Message): Seen {
  const { [ENCODING]: encoding, ...attributes } = MessageAttributes;
  const isBase64 = encoding?.StringValue === 'base64';
  const seen = nothingSeen(Buffer.from(Body ?? '', isBase64 ? 'base64' : 'utf8'));
  seen.key = Attributes?.MessageGroupId ?? null;
  seen.timestampMs = Number(Attributes?.SentTimestamp);
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(attributes)) shown[name] = shownValue(value);
  sortHeaders(shown, seen);
  return seen;
}

function shownValue({ DataType, StringValue, BinaryValue }: MessageAttributeValue): unknown {
  if (BinaryValue !== undefined) return Buffer.from(BinaryValue);
  return DataType === 'Number' ? Number(StringValue) : StringValue;
}
