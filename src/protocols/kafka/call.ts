/**
 * Call: one request on its way through a handler, and the way back.
 *
 * The connection serves requests in order and lets only Produce overlap, so an answer may be
 * written when it is there: `begin`, the body, `end`, in one go. `end` tells the connection, which
 * then takes up the next request.
 */
import type { KafkaConnection } from './connection.ts';
import type { Handler } from './handler.ts';
import type { KafkaNode } from './node.ts';
import type { Peer } from '#protocols/contract.ts';
import type { Writer } from '#wire/writer.ts';

export class Call {
  readonly connection: KafkaConnection;
  readonly handler: Handler;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
  answered = false;

  constructor(
    connection: KafkaConnection,
    handler: Handler,
    version: number,
    correlationId: number,
    clientId: string,
  ) {
    this.connection = connection;
    this.handler = handler;
    this.version = version;
    this.correlationId = correlationId;
    this.clientId = clientId;
  }

  get node(): KafkaNode {
    return this.connection.node;
  }

  get peer(): Peer {
    return this.connection.peer;
  }

  /** Begins the answer. [KIP-511] ApiVersions' header stays at v0: the client cannot know yet. */
  begin(flexible = this.version >= this.handler.flexibleFrom): Writer {
    const { writer } = this.connection;
    writer.begin(flexible).int32(this.correlationId);
    if (flexible && this.handler.key !== API_VERSIONS_KEY) writer.tags();
    return writer;
  }

  end(): void {
    this.connection.writer.end();
    this.answered = true;
    this.connection.answered(this);
  }

  reply(body: (writer: Writer) => void): void {
    body(this.begin());
    this.end();
  }

  /** Answers when all that was done until now is safe. */
  replyCommitted(body: (writer: Writer) => void): void {
    this.node.broker.commit.wait({
      committed: () => {
        if (this.alive) this.reply(body);
      },
    });
  }

  /** For answers that come later: false when there is nobody left to answer. */
  get alive(): boolean {
    return !this.connection.closed;
  }
}

const API_VERSIONS_KEY = 18;
