/**
 * The command line, loaded by bin/posthorn.js. Only reads arguments; what they mean is the server's
 * to say.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addServe } from './serve.ts';

/** The code for "used wrongly", as most commands of Unix have it. */
const EXIT_USAGE = 2;

const manifest = new URL('../../package.json', import.meta.url);
const { version, description } = JSON.parse(readFileSync(manifest, 'utf8')) as {
  version: string;
  description: string;
};

const program = new Command('posthorn')
  .description(description)
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .showSuggestionAfterError()
  .showHelpAfterError('See posthorn --help and posthorn serve --help.')
  .exitOverride();
addServe(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
}
