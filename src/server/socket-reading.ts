/**
 * How bytes come out of an accepted socket: the one file that knows.
 *
 * Node can read into a buffer of ours (`onread`), which saves an allocation and a pass through the
 * stream machinery per read, but documents it for outgoing sockets only. What `onread` sets up is
 * set up here by hand, when this Node has all of its parts; else, and for sockets that are no TCP
 * sockets, the ordinary `data` event serves. One buffer for the whole process is enough: a chunk
 * is handled before the next read, of any socket, begins.
 */
import type { Socket } from 'node:net';

const READ_BUFFER_BYTES = 64 * 1024;
/** No Buffer: `slice` of a Buffer is a view, and whoever slices a chunk wants to keep the bytes. */
const readBuffer = new Uint8Array(READ_BUFFER_BYTES);

interface UserBufferHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

export type ReadingWay = 'reused-buffer' | 'data-event';

/**
 * Calls `receive` for every chunk, which is valid during the call only. The socket must not have
 * begun to be read from (`pauseOnConnect`); that begins with `socket.resume()`. What it has read by
 * itself until now is received at once.
 */
export function readInto(socket: Socket, receive: (chunk: Uint8Array) => void): ReadingWay {
  const internals = socket as unknown as Record<symbol | string, unknown>;
  const symbols = Object.getOwnPropertySymbols(socket);
  const bufferSymbol = symbols.find((it) => it.description === 'kBuffer');
  const callbackSymbol = symbols.find((it) => it.description === 'kBufferCb');
  const handle = internals['_handle'] as Partial<UserBufferHandle> | null;
  if (!bufferSymbol || !callbackSymbol || typeof handle?.useUserBuffer !== 'function') {
    return readByEvent(socket, receive);
  }
  internals[bufferSymbol] = readBuffer;
  internals[callbackSymbol] = (byteCount: number, buffer: Uint8Array): boolean => {
    receive(buffer.subarray(0, byteCount));
    return true;
  };
  handle.useUserBuffer(readBuffer);
  if (socket.readableLength > 0) receive(new Uint8Array(socket.read() as Buffer));
  return 'reused-buffer';
}

export function readByEvent(socket: Socket, receive: (chunk: Uint8Array) => void): ReadingWay {
  socket.on('data', receive);
  return 'data-event';
}
