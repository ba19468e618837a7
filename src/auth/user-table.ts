/**
 * UserTable: the users of the configuration, as an Authenticator. Without any there is `guest` with
 * password `guest`, from this machine only, who may do everything: what clients try by default.
 */
import { BrokerError } from '#core/errors.ts';
import type { Authenticator, Identity } from '#core/authenticator.ts';
import { matchesHash, matchesPlain } from './password.ts';
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
  readonly matches: (password: string) => boolean;
}

export class UserTable implements Authenticator {
  readonly #entries = new Map<string, Entry>();

  /** Throws BrokerError 'invalid-argument' when a user comes twice or cannot be checked. */
  constructor(users: readonly UserSettings[] = [GUEST]) {
    for (const settings of users) {
      const { name } = settings;
      if (this.#entries.has(name)) {
        throw new BrokerError('invalid-argument', `user ${name} is there twice`, { user: name });
      }
      this.#entries.set(name, { user: new User(settings), matches: matcher(settings) });
    }
  }

  check(name: string, password: string, loopback: boolean): Promise<Identity | null> {
    const entry = this.#entries.get(name);
    const granted = entry && entry.matches(password) && (loopback || !entry.user.loopbackOnly);
    return Promise.resolve(granted ? entry.user : null);
  }
}

function matcher({ name, password, passwordHash }: UserSettings): (password: string) => boolean {
  if (password !== undefined && passwordHash === undefined) {
    return (given) => matchesPlain(given, password);
  }
  if (passwordHash !== undefined && password === undefined) {
    return (given) => matchesHash(given, passwordHash);
  }
  throw new BrokerError('invalid-argument', `user ${name} needs password or passwordHash`, {
    user: name,
  });
}
