/**
 * What a protocol may ask about who is connecting. Implemented in src/auth; protocols reach it as
 * `broker.auth` and never see users or passwords of anybody else.
 */
export const Permission = { Configure: 'configure', Write: 'write', Read: 'read' } as const;
export type Permission = (typeof Permission)[keyof typeof Permission];

/** Which subjects of the subject space somebody may use; NATS patterns (`*`, `>`). */
export interface SubjectRules {
  /** Null = every subject. */
  readonly allow: readonly string[] | null;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
}

export interface SubjectPermissions {
  readonly publish: SubjectRules;
  readonly subscribe: SubjectRules;
  /** May publish to the reply subject of a message it was delivered. */
  readonly allowResponses: boolean;
}

/** Somebody who proved who they are. */
export interface Identity {
  readonly name: string;
  /** As RabbitMQ's user tags: 'administrator', 'monitoring', … */
  readonly tags: readonly string[];
  /** May use the namespace at all. */
  mayEnter(namespace: string): boolean;
  /** May do it to the exchange, queue or topic of that name. '' is the default exchange. */
  may(permission: Permission, namespace: string, resource: string): boolean;
  /** Null when none were given: then `may` on the topic exchange decides. */
  readonly subjects: SubjectPermissions | null;
}

/** For protocols whose clients prove by a signature that they know a secret. */
export interface SigningIdentity {
  readonly identity: Identity;
  readonly secret: string;
  /** What the client may send along to show that the secret is still good; null = nothing. */
  readonly sessionToken: string | null;
}

export interface Authenticator {
  /** Null when the user is unknown, the password wrong, or the user may not come from there. */
  check(user: string, password: string, loopback: boolean): Promise<Identity | null>;
  /** Of a bearer token. */
  checkToken(token: string, loopback: boolean): Promise<Identity | null>;
  /** Who comes without credentials, where a protocol allows that; null when they are needed: users
   * are configured, or the peer is not on this machine. */
  anonymous(loopback: boolean): Identity | null;
  /** Null when the user is unknown, has only a hash, or may not come from there. */
  signer(user: string, loopback: boolean): SigningIdentity | null;
}
