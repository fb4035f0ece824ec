import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch, python, ROOT } from './launch.js';

/** A Redis of the test's own, which can be paused: it takes connections and answers nothing. */
export class Redis {
  readonly url: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#process = child;
  }

  static async start(): Promise<Redis> {
    const folder = await mkdtemp(path.join(tmpdir(), 'client-redis-'));
    const port = await freePort();
    const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
    const child = launch([binary(), ...settings], 'SIGKILL', { stdio: 'ignore' });
    return new Redis(`redis://127.0.0.1:${port}`, folder, child);
  }

  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.resume();
    const ended = once(this.#process, 'exit');
    if (this.#process.kill()) await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The server that the tests of the service use too. */
function binary(): string {
  const print = 'from tests.servers import server_binary; print(server_binary())';
  return execFileSync(python(), ['-c', print], { cwd: ROOT, encoding: 'utf8' }).trim();
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
