/**
 * `posthorn serve`: runs the broker in this process.
 *
 * This is the only door from the command line into the broker, and it opens by a dynamic import,
 * so that `--help` and a wrong flag answer without loading it. One process: signals, exit codes and
 * the terminal are the broker's own.
 */
import { type Command, InvalidArgumentError } from 'commander';

interface ServeFlags {
  data?: string;
  host?: string;
  port?: string[];
  sync?: string;
  config?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/** Adds the command; it inherits how the program treats errors. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the broker: every protocol on its standard port, on loopback')
    .helpOption('-h, --help', 'print this help')
    .option('--data <dir>', 'where messages are kept (default: ./data)', once('--data'))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1 and ::1)', once('--host'))
    .option(
      '--port <name>=<port>',
      'port of a protocol: kafka (9092), amqp (5672), nats (4222), sqs (9324), nats-http (8222), ' +
        'http (15672); 0 = any free port, off = none; repeatable',
      (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value],
    )
    .option(
      '--sync <when>',
      'a durable message counts as kept: commit = when it is on disk, os = when the operating ' +
        'system has it (default: commit)',
      once('--sync'),
    )
    .option('--tls-cert <file>', 'certificate for TLS on every port, PEM', once('--tls-cert'))
    .option('--tls-key <file>', 'its private key, PEM', once('--tls-key'))
    .option('--config <file>', 'JSON file with these and further settings', once('--config'))
    .allowExcessArguments(false)
    .action(async (flags: ServeFlags) => {
      const { serve } = await import('#server/main.ts');
      await serve(flags);
    });
}

/** Refuses a flag given twice: one of the two values would be ignored. */
function once(flag: string): (value: string, earlier: string | undefined) => string {
  return (value, earlier) => {
    if (earlier !== undefined) {
      throw new InvalidArgumentError(`${flag} is given twice ('${earlier}' and '${value}').`);
    }
    return value;
  };
}
