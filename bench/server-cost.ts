/**
 * What a server costs: CPU time and memory from /proc, so that a rate can be read beside its price.
 *
 * /proc/<pid>/stat counts utime + stime over all threads of a process in ticks of 10 ms; a server is
 * its process and every descendant (RabbitMQ: the Erlang VM and its port programs). The machine's
 * busy time minus server and load is what others used: a round with much of that is noise.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** USER_HZ, fixed at 100 in the Linux user space interface on every common architecture. */
const msPerTick = 10;

export interface Usage {
  elapsedMs: number;
  serverCpuMs: number;
  loadCpuMs: number;
  /** CPU time of everything else on the machine. */
  otherCpuMs: number;
}

interface Reading {
  atMs: number;
  serverMs: number;
  loadMs: number;
  busyMs: number;
}

/** Reads both sides of the scale twice, at start() and stop(). */
export class CostMeter {
  readonly #serverPid: number;
  readonly #loadPid: number;
  #first: Reading | undefined;

  constructor(serverPid: number, loadPid: number) {
    this.#serverPid = serverPid;
    this.#loadPid = loadPid;
  }

  start(): void {
    this.#first = this.#read();
  }

  stop(): Usage {
    const first = this.#first;
    if (first === undefined) throw new Error('the meter was not started');
    const last = this.#read();
    const serverCpuMs = last.serverMs - first.serverMs;
    const loadCpuMs = last.loadMs - first.loadMs;
    return {
      elapsedMs: last.atMs - first.atMs,
      serverCpuMs,
      loadCpuMs,
      otherCpuMs: Math.max(0, last.busyMs - first.busyMs - serverCpuMs - loadCpuMs),
    };
  }

  #read(): Reading {
    const parents = processParents();
    return {
      atMs: performance.now(),
      serverMs: treeCpuMs(this.#serverPid, parents),
      loadMs: treeCpuMs(this.#loadPid, parents),
      busyMs: machineBusyMs(),
    };
  }
}

/** Resident memory of a process and its descendants. */
export function residentBytes(pid: number): number {
  const parents = processParents();
  let bytes = 0;
  for (const member of tree(pid, parents)) {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(textOf(`/proc/${member}/status`));
    if (match !== null) bytes += Number(match[1]) * 1024;
  }
  return bytes;
}

function treeCpuMs(root: number, parents: ReadonlyMap<number, number>): number {
  let ticks = 0;
  for (const pid of tree(root, parents)) {
    const fields = statFields(pid);
    if (fields.length > 0) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * msPerTick;
}

function tree(root: number, parents: ReadonlyMap<number, number>): number[] {
  const members: number[] = [];
  for (const pid of parents.keys()) {
    let at: number | undefined = pid;
    while (at !== undefined && at !== root) at = parents.get(at);
    if (at === root) members.push(pid);
  }
  return members;
}

function processParents(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const fields = statFields(pid);
    if (fields.length > 0) parents.set(pid, Number(fields[1]));
  }
  return parents;
}

/** Fields of /proc/<pid>/stat from `state` on: the name before them may hold blanks and brackets. */
function statFields(pid: number): string[] {
  const text = textOf(`/proc/${pid}/stat`);
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function machineBusyMs(): number {
  let busyMs = 0;
  for (const { times } of cpus()) busyMs += times.user + times.nice + times.sys + times.irq;
  return busyMs;
}

/** A process may end between listing and reading it: then there is nothing to count. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}
