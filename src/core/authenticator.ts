/**
 * What a protocol may ask about who is connecting. Implemented in src/auth; protocols reach it as
 * `broker.auth` and never see users or passwords of anybody else.
 */
export const Permission = { Configure: 'configure', Write: 'write', Read: 'read' } as const;
export type Permission = (typeof Permission)[keyof typeof Permission];

/** Somebody who proved who they are. */
export interface Identity {
  readonly name: string;
  /** As RabbitMQ's user tags: 'administrator', 'monitoring', … */
  readonly tags: readonly string[];
  /** May use the namespace at all. */
  mayEnter(namespace: string): boolean;
  /** May do it to the exchange, queue or topic of that name. '' is the default exchange. */
  may(permission: Permission, namespace: string, resource: string): boolean;
}

export interface Authenticator {
  /** Null when the user is unknown, the password wrong, or the user may not come from there. */
  check(user: string, password: string, loopback: boolean): Promise<Identity | null>;
}
