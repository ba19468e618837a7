/**
 * Handler: one Kafka API. It declares its key and the versions that it serves; what ApiVersions
 * advertises is derived from these declarations and cannot promise anything else.
 *
 * `decode` only reads: what it throws as RangeError is a malformed request and ends the connection.
 * `handle` answers through the call, at once or later. A request that was decoded from a chunk
 * holds no window into it, with one exception: Produce, which copies or owns its batches.
 */
import type { Call } from './call.ts';
import { ProtocolError } from '#core/errors.ts';
import type { Reader } from '#wire/reader.ts';

interface HandlerSpec<Request> {
  readonly key: number;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** First version with compact lengths and tagged fields; Infinity when there is none. */
  readonly flexibleFrom: number;
  /** Sees requests of unknown versions too. */
  readonly anyVersion?: boolean;
  decode(reader: Reader, version: number): Request;
  handle(request: Request, call: Call): void;
}

export interface Handler {
  readonly key: number;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly flexibleFrom: number;
  readonly anyVersion: boolean;
  serve(call: Call, reader: Reader): void;
}

/** Kafka has no code for bytes that make no sense: the connection is closed. */
export const MALFORMED = 0;
export const TOO_LARGE = 1;
export const UNSUPPORTED = 2;

export function defineHandler<Request>(spec: HandlerSpec<Request>): Handler {
  const { key, name, min, max, flexibleFrom, anyVersion = false } = spec;
  return {
    key,
    name,
    min,
    max,
    flexibleFrom,
    anyVersion,
    serve(call: Call, reader: Reader): void {
      let request: Request;
      try {
        request = spec.decode(reader, call.version);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new ProtocolError(MALFORMED, `malformed ${name} v${call.version}: ${error.message}`);
      }
      spec.handle(request, call);
    },
  };
}
