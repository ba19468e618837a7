/** Frames of AMQP's handshake, by hand: for clients that then do what no library does. */
export const AMQP_HEADER = 'AMQP\x00\x00\x09\x01';

function shortstr(text: string): string {
  return `${String.fromCharCode(text.length)}${text}`;
}

function longstr(text: string): string {
  return `\x00\x00\x00${shortstr(text)}`;
}

/** A method frame of channel 0; a byte per character. */
function method(classId: number, methodId: number, rest: string): string {
  const payload = `\x00${String.fromCharCode(classId)}\x00${String.fromCharCode(methodId)}${rest}`;
  return `\x01\x00\x00\x00\x00\x00${shortstr(payload)}\xce`;
}

export function startOk(user: string, password: string): string {
  return method(
    10,
    11,
    longstr('') + shortstr('PLAIN') + longstr(`\x00${user}\x00${password}`) + shortstr('en_US'),
  );
}

/** 2,047 channels, frames of 128 KiB. */
export function tuneOk(heartbeatS: number): string {
  return method(10, 31, `\x07\xff\x00\x02\x00\x00\x00${String.fromCharCode(heartbeatS)}`);
}

export function openVhost(name: string): string {
  return method(10, 40, `${shortstr(name)}${shortstr('')}\x00`);
}

/** What a client says up to connection.open, without waiting for answers. */
export function handshake(heartbeatS = 0): string {
  return AMQP_HEADER + startOk('guest', 'guest') + tuneOk(heartbeatS) + openVhost('/');
}
