/** Messages with DelaySeconds, and such as come back when their visibility ends, by the AWS SDK. */
import {
  CreateQueueCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';

const QUEUE = 'bench-sqs-later';
/** Everything sent here waits for so long as SQS allows. */
export const PENDING = 'bench-sqs-pending';
const BODY_BYTES = 100;
const PER_BATCH = 10;
const PARALLEL = 16;
const LONGEST_SECONDS = 900;
const POLL_SECONDS = 1;

export class BySqs {
  readonly #client: SQSClient;
  readonly #url: string;

  private constructor(client: SQSClient, url: string) {
    this.#client = client;
    this.#url = url;
  }

  static async connect(port: number): Promise<BySqs> {
    const endpoint = `http://127.0.0.1:${port}`;
    const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
    const client = new SQSClient({ endpoint, region: 'us-east-1', credentials });
    await client.send(new CreateQueueCommand({ QueueName: QUEUE }));
    const Attributes = { DelaySeconds: String(LONGEST_SECONDS) };
    await client.send(new CreateQueueCommand({ QueueName: PENDING, Attributes }));
    return new BySqs(client, `${endpoint}/000000000000/`);
  }

  close(): void {
    this.#client.destroy();
  }

  async schedule(count: number, delaySeconds: (i: number) => number): Promise<void> {
    const QueueUrl = this.#url + QUEUE;
    let sent = 0;
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        while (sent < count) {
          const Entries = [];
          for (; Entries.length < PER_BATCH && sent < count; sent++) {
            const DelaySeconds = delaySeconds(sent);
            const MessageBody = String(DelaySeconds).padEnd(BODY_BYTES);
            Entries.push({ Id: String(sent), MessageBody, DelaySeconds });
          }
          await this.#client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
        }
      }),
    );
  }

  /** How late each of `count` delayed messages is received, by long polls; they stay, hidden for
   * `visibilitySeconds`. */
  receive(count: number, visibilitySeconds: number): Promise<number[]> {
    return this.#receive(count, visibilitySeconds, ({ Body, Attributes }) => {
      return Number(Attributes!.SentTimestamp) + Number(Body) * 1000;
    });
  }

  /** The same of messages that were hidden for `hiddenSeconds`. */
  receiveAgain(count: number, hiddenSeconds: number): Promise<number[]> {
    return this.#receive(count, LONGEST_SECONDS, ({ Attributes }) => {
      return Number(Attributes!.ApproximateFirstReceiveTimestamp) + hiddenSeconds * 1000;
    });
  }

  async #receive(
    count: number,
    visibilitySeconds: number,
    dueMs: (message: Message) => number,
  ): Promise<number[]> {
    const lateMs: number[] = [];
    const input: ReceiveMessageCommandInput = {
      QueueUrl: this.#url + QUEUE,
      MaxNumberOfMessages: PER_BATCH,
      WaitTimeSeconds: POLL_SECONDS,
      VisibilityTimeout: visibilitySeconds,
      MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateFirstReceiveTimestamp'],
    };
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        while (lateMs.length < count) {
          const { Messages = [] } = await this.#client.send(new ReceiveMessageCommand(input));
          const nowMs = Date.now();
          for (const message of Messages) lateMs.push(nowMs - dueMs(message));
        }
      }),
    );
    return lateMs;
  }
}
