/**
 * The HTTP port: binds like the protocols and hands requests to the management layer. It opens
 * first and closes last, so that whoever watches sees the start and the end.
 */
import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import { answer, type HttpSource } from '#management/http-api.ts';
import { bind, type Binding, type HostSettings } from './binding.ts';

/** Nobody has reason to be slow with three short GETs. */
const REQUEST_TIMEOUT_MS = 10_000;

export class HttpListener {
  readonly binding: Binding;

  private constructor(binding: Binding) {
    this.binding = binding;
  }

  static async open(
    port: number,
    hosts: HostSettings,
    source: HttpSource,
    logger: Logger,
  ): Promise<HttpListener> {
    const create = (): Server =>
      createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
        answer(request, response, source).catch((error: unknown) => {
          logger.error({ err: error, url: request.url }, 'an HTTP request failed');
          response.destroy();
        });
      });
    return new HttpListener(await bind('http', port, hosts, create, logger));
  }

  close(): void {
    for (const server of this.binding.servers as Server[]) {
      server.close();
      server.closeAllConnections();
    }
  }
}
