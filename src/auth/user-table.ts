/**
 * UserTable: the users of the configuration, as an Authenticator. Without any there is `guest` with
 * password `guest`, from this machine only, who may do everything: what clients try by default.
 */
import { BrokerError } from '#core/errors.ts';
import type { Authenticator, Identity, SigningIdentity } from '#core/authenticator.ts';
import { isHash, matchesHash, matchesPlain } from './password.ts';
import { User } from './user.ts';
import type { UserSettings } from './user.ts';

const GUEST: UserSettings = {
  name: 'guest',
  password: 'guest',
  tags: ['administrator'],
  loopbackOnly: true,
};

interface Entry {
  readonly user: User;
  readonly settings: UserSettings;
  readonly matches: (password: string) => boolean;
}

export class UserTable implements Authenticator {
  /** No users are configured. */
  readonly #isDefault: boolean;
  readonly #entries = new Map<string, Entry>();

  /** Throws BrokerError 'invalid-argument' when a user or a token comes twice or cannot be checked. */
  constructor(users: readonly UserSettings[] | null = null) {
    this.#isDefault = users === null;
    for (const settings of users ?? [GUEST]) {
      const { name } = settings;
      if (this.#entries.has(name)) {
        throw new BrokerError('invalid-argument', `user ${name} is there twice`, { user: name });
      }
      this.#checkToken(settings);
      this.#entries.set(name, { user: new User(settings), settings, matches: matcher(settings) });
    }
  }

  /** Who comes with it must be one user. */
  #checkToken({ name, token }: UserSettings): void {
    if (token === undefined) return;
    for (const { settings } of this.#entries.values()) {
      if (settings.token !== token) continue;
      const message = `users ${settings.name} and ${name} have the same token`;
      throw new BrokerError('invalid-argument', message, { user: name });
    }
  }

  check(name: string, password: string, loopback: boolean): Promise<Identity | null> {
    const entry = this.#entries.get(name);
    const granted = entry && entry.matches(password) && (loopback || !entry.user.loopbackOnly);
    return Promise.resolve(granted ? entry.user : null);
  }

  checkToken(token: string, loopback: boolean): Promise<Identity | null> {
    let found: Identity | null = null;
    for (const { user, settings } of this.#entries.values()) {
      if (settings.token === undefined || !matchesPlain(token, settings.token)) continue;
      if (loopback || !user.loopbackOnly) found = user;
    }
    return Promise.resolve(found);
  }

  anonymous(loopback: boolean): Identity | null {
    if (!this.#isDefault) return null;
    const { user } = this.#entries.get(GUEST.name)!;
    return loopback || !user.loopbackOnly ? user : null;
  }

  signer(name: string, loopback: boolean): SigningIdentity | null {
    const entry = this.#entries.get(name);
    if (entry?.settings.password === undefined) return null;
    if (!loopback && entry.user.loopbackOnly) return null;
    const { password, token = null } = entry.settings;
    return { identity: entry.user, secret: password, sessionToken: token };
  }
}

function matcher(settings: UserSettings): (password: string) => boolean {
  const { name, password, passwordHash, token } = settings;
  const refuse = (message: string): never => {
    throw new BrokerError('invalid-argument', message, { user: name });
  };
  if (password === '') refuse(`the password of user ${name} is empty`);
  if (passwordHash !== undefined && !isHash(passwordHash)) {
    refuse(
      `the passwordHash of user ${name} is none: it is the base64 of 4 bytes of salt and the ` +
        'SHA-256 of salt and password',
    );
  }
  if (password !== undefined && passwordHash === undefined) {
    return (given) => matchesPlain(given, password);
  }
  if (passwordHash !== undefined && password === undefined) {
    return (given) => matchesHash(given, passwordHash);
  }
  // A token alone: nobody logs in with a password.
  if (password === undefined && token !== undefined) return () => false;
  return refuse(`user ${name} needs either password or passwordHash, or a token`);
}
