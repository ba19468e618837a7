/**
 * Our own load generators (bench/generators, C): each compiled into the cache when its sources, or
 * those they share, change.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce, run } from '../../scripts/peers/index.ts';

const sources = join(import.meta.dirname, '..', 'generators');

/** Compiles the generator of a protocol if need be and gives the path of the program. */
export async function generator(protocol: 'amqp' | 'nats' | 'sqs'): Promise<string> {
  const files = ['common', protocol].flatMap((folder) =>
    readdirSync(join(sources, folder)).map((file) => join(sources, folder, file)),
  );
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const name = `${protocol}-load`;
  const folder = await installOnce(`bench-${name}`, hash.digest('hex'), async (target) => {
    const units = files.filter((file) => file.endsWith('.c'));
    const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];
    await run('cc', [...flags, '-o', join(target, name), ...units, '-lm']);
  });
  return join(folder, name);
}
