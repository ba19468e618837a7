/** What answers on the management port: health, metrics and the interface for operators. */
import type { Server } from 'node:http';
import { answer, type HttpSource } from '#management/http-api.ts';
import type { Logger } from './log.ts';

/** Node's HTTP is loaded with the first request. */
export async function managementServer(source: HttpSource, logger: Logger): Promise<Server> {
  const http = await import('node:http');
  return http.createServer((request, response) => {
    answer(request, response, source).catch((error: unknown) => {
      logger.error({ err: error, url: request.url }, 'an HTTP request failed');
      response.destroy();
    });
  });
}
