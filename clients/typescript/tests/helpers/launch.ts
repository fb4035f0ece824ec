import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** The root of the repository. */
export const ROOT = path.resolve(import.meta.dirname, '../../../../..');

// On Linux the kernel ends the program together with the tests, even if they are killed.
const LAUNCH = `
import ctypes, os, signal, sys
if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(1, signal.Signals[sys.argv[1]])
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** The Python that has the service's libraries. */
export function python(): string {
  const found = process.env['PYTHON'] ?? path.join(ROOT, '.venv/bin/python');
  if (!existsSync(found)) throw new Error(`${found} is missing: run \`make install\` first.`);
  return found;
}

/** Starts a program that gets the signal when the tests end. */
export function launch(
  command: string[],
  signal: 'SIGTERM' | 'SIGKILL',
  options: Parameters<typeof spawn>[2],
): ChildProcess {
  const child = spawn(python(), ['-c', LAUNCH, signal, ...command], options);
  process.once('exit', () => child.kill(signal));
  return child;
}
