/**
 * The process of `posthorn serve`: reads the settings, takes the data folder, composes the server
 * over it, says so in one line, and ends in order when a signal comes.
 */
import { BrokerError, CorruptionError } from '#core/errors.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { composeServer, type RunningServer } from './compose.ts';
import { readSettings } from './config.ts';
import { lockDataFolder } from './lock.ts';
import { createLogger, type Logger } from './log.ts';
import { readyLine } from './ready.ts';
import { ExitCode, RefusedStart, usageError } from './refused-start.ts';
import type { Flags, Settings } from './settings.ts';
import { onStopSignal } from './signals.ts';

/** Runs until a signal comes. Never rejects: what is wrong is printed, and the exit code says it. */
export async function serve(flags: Flags): Promise<void> {
  try {
    const settings = await readSettings(flags);
    const logger = createLogger(settings.logLevel);
    process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ err: error }, 'crashed'));
    let server: RunningServer | null = null;
    onStopSignal((signal) => {
      logger.info({ signal }, 'stopping');
      // Before it is ready nobody was promised anything.
      if (!server) process.exit(ExitCode.Ok);
      void server.stop().then(() => process.exit(ExitCode.Ok));
    });
    server = await startServer(settings, logger);
    process.stdout.write(`${readyLine(server.bound, settings, performance.now())}\n`);
  } catch (error) {
    const refusal = asRefusal(error);
    process.stderr.write(`posthorn: ${refusal?.message ?? (error as Error).stack}\n`);
    process.exit(refusal?.exitCode ?? ExitCode.Failed);
  }
}

/** Throws RefusedStart, CorruptionError, or BrokerError for users that cannot be. */
export async function startServer(settings: Settings, logger: Logger): Promise<RunningServer> {
  const lock = lockDataFolder(settings.dataFolder);
  const { decompressedBytesMax } = settings.limits;
  const composition = composeServer({
    settings,
    logger,
    openStore: (ports, codecs) =>
      DiskStore.open(settings.dataFolder, {
        ports,
        fatal: (error) => {
          logger.fatal(
            { err: error },
            'a write failed: stopping, for nothing can be promised any more',
          );
          process.exit(ExitCode.Failed);
        },
        decompress: (codec, bytes) => codecs.decompress(codec, bytes, decompressedBytesMax),
      }),
    stuck: () => process.exit(ExitCode.Failed),
  });
  const server = await composition.catch((error: unknown) => {
    lock.release();
    throw error;
  });
  return {
    ...server,
    stop: async () => {
      const inTime = await server.stop();
      lock.release();
      return inTime;
    },
  };
}

/** What the operator can change, in words for them; null for faults of ours. */
function asRefusal(error: unknown): RefusedStart | null {
  if (error instanceof RefusedStart) return error;
  if (error instanceof CorruptionError) {
    return new RefusedStart(
      ExitCode.Failed,
      `${error.message}; Posthorn does not start on data that it cannot trust: ` +
        'restore the file, or start on another folder with --data <dir>',
    );
  }
  if (error instanceof BrokerError && error.code === 'unreadable') {
    return new RefusedStart(ExitCode.Failed, error.message);
  }
  if (error instanceof BrokerError) return usageError(error.message);
  return null;
}
