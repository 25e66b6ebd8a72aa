#!/usr/bin/env node
import { runCli } from './cli.js';

const controller = new AbortController();

/** The first Ctrl-C ends the work cleanly, the second at once. */
function interrupt(): void {
  if (controller.signal.aborted) process.exit(130);
  process.stderr.write('\ninterrupting; press Ctrl-C again to stop at once\n');
  controller.abort();
}

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
// A reader that has seen enough (`| head`) closes the pipe; that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: controller.signal,
  env: process.env,
});
