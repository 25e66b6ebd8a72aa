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
// A terminal that closes says so twice, by its shell and by itself: no second Ctrl-C.
process.on('SIGHUP', () => {
  if (!controller.signal.aborted) interrupt();
});
// What stands on stderr is for whoever still reads it (Ctrl-C ends `2>&1 | tee`, too); the work goes on without.
process.stderr.on('error', () => undefined);
// `print` throws what this is about; here ends what waits for standard input meanwhile.
process.stdout.on('error', () => controller.abort());

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: controller.signal,
  env: process.env,
});
