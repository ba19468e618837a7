/**
 * The little of Chrome's DevTools protocol that a CPU profile of another Node process needs: that
 * process runs with `--inspect`, and is profiled from one moment to another, not over its whole life.
 */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

interface Reply {
  id?: number;
  result?: { profile?: CpuProfile };
  error?: { message: string };
}

const samplingUs = 250;

export class Profiler {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Reply>>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', (event) => {
      const reply = JSON.parse(String(event.data)) as Reply;
      if (reply.id === undefined) return;
      const waiter = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiter?.resolve(reply);
      else waiter?.reject(new Error(reply.error.message));
    });
    socket.addEventListener('close', () => {
      for (const waiter of this.#waiting.values()) waiter.reject(new Error('inspector is gone'));
    });
  }

  /** `port` is the one given to `--inspect`. */
  static async connect(port: number): Promise<Profiler> {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
    if (target === undefined) throw new Error(`nothing to inspect on port ${port}`);
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('error', () => reject(new Error('inspector refused us')));
    });
    return new Profiler(socket);
  }

  async start(): Promise<void> {
    await this.#call('Profiler.enable');
    await this.#call('Profiler.setSamplingInterval', { interval: samplingUs });
    await this.#call('Profiler.start');
  }

  async stop(): Promise<CpuProfile> {
    const { result } = await this.#call('Profiler.stop');
    this.#socket.close();
    return result!.profile!;
  }

  #call(method: string, params: object = {}): Promise<Reply> {
    const id = ++this.#lastId;
    const waiter = Promise.withResolvers<Reply>();
    this.#waiting.set(id, waiter);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return waiter.promise;
  }
}
