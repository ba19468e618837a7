/**
 * A small SQS client over kept-alive connections (JSON 1.0), which never tries twice: what it was
 * told is what happened.
 */
import { Agent, request } from 'node:http';

export interface ReceivedMessage {
  Body: string;
  ReceiptHandle: string;
}

interface BatchAnswer {
  Successful?: { Id: string }[];
  Failed?: { Id: string; Code: string }[];
}

export class SqsClient {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #port: number;
  readonly #until: AbortSignal;

  constructor(port: number, until: AbortSignal) {
    this.#port = port;
    this.#until = until;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Throws when there is no answer or another one than 200. */
  async call(action: string, input: object, queue?: string): Promise<unknown> {
    const url = `http://127.0.0.1:${this.#port}/000000000000/${queue}`;
    const body = JSON.stringify(queue === undefined ? input : { ...input, QueueUrl: url });
    return new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${action}`,
        'content-length': Buffer.byteLength(body),
      };
      const options = { method: 'POST', agent: this.#agent, headers, signal: this.#until };
      const sent = request({ host: '127.0.0.1', port: this.#port, path: '/', ...options });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(text === '' ? {} : JSON.parse(text));
          else reject(new Error(`${action}: ${response.statusCode} ${text}`));
        });
      });
      sent.end(body);
    });
  }

  async receive(queue: string, waitSeconds: number): Promise<ReceivedMessage[]> {
    const input = { MaxNumberOfMessages: 10, WaitTimeSeconds: waitSeconds };
    const answer = (await this.call('ReceiveMessage', input, queue)) as {
      Messages?: ReceivedMessage[];
    };
    return answer.Messages ?? [];
  }

  /** The bodies of those that are deleted for good. */
  async delete(queue: string, messages: readonly ReceivedMessage[]): Promise<string[]> {
    const entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    const answer = (await this.call(
      'DeleteMessageBatch',
      { Entries: entries },
      queue,
    )) as BatchAnswer;
    const failed = answer.Failed ?? [];
    if (failed.length > 0) throw new Error(`a delete failed: ${JSON.stringify(failed)}`);
    return (answer.Successful ?? []).map(({ Id }) => messages[Number(Id)]!.Body);
  }
}
