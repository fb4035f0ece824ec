import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch, python, ROOT } from './launch.js';
import { until } from './until.js';

export const TOKEN = 'token-of-the-client-tests';
export const APP_SECRET = 'app-secret-of-the-client-tests';
export const VERIFY_TOKEN = 'verify-token-of-the-client-tests';

/** A service of the test's own with a private Redis, on a free port of the loopback interface. */
export class Service {
  url = '';
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#process = child;
  }

  /** Starts a service and waits until it answers. */
  static async start(settings: Record<string, string> = {}): Promise<Service> {
    const folder = await mkdtemp(path.join(tmpdir(), 'client-service-'));
    const log = await open(path.join(folder, 'log'), 'w');
    const child = launch([python(), '-m', 'service'], 'SIGTERM', {
      cwd: folder,
      env: { ...environment(), ...settings },
      stdio: ['ignore', 'ignore', log.fd],
    });
    await log.close();
    const service = new Service(folder, child);
    await until(async () => service.#isReady(), 'the service to be ready');
    return service;
  }

  async #isReady(): Promise<boolean> {
    const log = await this.log();
    if (this.#process.exitCode !== null) throw new Error(`The service ended: ${log}`);
    this.url = /"address": ?"([^"]+)"/.exec(log)?.[1] ?? '';
    return this.url !== '' && (await fetch(`${this.url}/readyz`)).ok;
  }

  /** What the service has logged. */
  log(): Promise<string> {
    return readFile(path.join(this.#folder, 'log'), 'utf8');
  }

  /** Stops the service and removes its data. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null && this.#process.kill()) await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The variables of a service: no setting of the shell that runs the tests. */
function environment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('TRACKER_') && name !== 'DJANGO_RSVP_SECRET',
  );
  return {
    ...Object.fromEntries(kept),
    PYTHONPATH: ROOT,
    TRACKER_HTTP__PORT: '0',
    TRACKER_AUTH__TOKENS: TOKEN,
    TRACKER_META__APP_SECRET: APP_SECRET,
    TRACKER_META__VERIFY_TOKEN: VERIFY_TOKEN,
  };
}
