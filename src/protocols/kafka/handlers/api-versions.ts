/**
 * ApiVersions (18): what this broker serves, read off the handlers themselves.
 *
 * v1: throttle time   v3: flexible; the client says what it is (KIP-511); features   v4: features
 * may begin at 0. No feature is listed: those that there are (transaction.version, group.version,
 * share.version) are all of things that are not served yet.
 *
 * [KIP-511] A version that is not known is answered in the form of v0, with the range of this API.
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';

const KEY = 18;
const MAX = 4;
const CLIENT_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

interface ApiVersionsRequest {
  clientIsNamed: boolean;
}

export const apiVersions = defineHandler<ApiVersionsRequest>({
  key: KEY,
  name: 'ApiVersions',
  min: 0,
  max: MAX,
  flexibleFrom: 3,
  anyVersion: true,

  decode(reader, version) {
    if (version < 3 || version > MAX) return { clientIsNamed: true };
    const softwareName = reader.string();
    const softwareVersion = reader.string();
    reader.tags();
    return { clientIsNamed: CLIENT_NAME.test(softwareName) && CLIENT_NAME.test(softwareVersion) };
  },

  handle(request, call) {
    if (call.version < 0 || call.version > MAX) answerUnknownVersion(call);
    else answer(call, request.clientIsNamed ? ErrorCode.None : ErrorCode.InvalidRequest);
  },
});

function answerUnknownVersion(call: Call): void {
  const writer = call.begin(false);
  writer.int16(ErrorCode.UnsupportedVersion).arrayLength(1);
  writer.int16(KEY).int16(0).int16(MAX);
  call.end();
}

function answer(call: Call, error: ErrorCode): void {
  const handlers = error === ErrorCode.None ? [...call.node.handlers.values()] : [];
  call.reply((writer) => {
    writer.int16(error);
    writer.array(handlers, (w, { key, min, max }) => w.int16(key).int16(min).int16(max).tags());
    if (call.version >= 1) writer.int32(0);
    writer.tags();
  });
}
