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
// A closing terminal sends SIGHUP twice (shell and kernel); do not treat the second as a second Ctrl-C.
process.on('SIGHUP', () => {
  if (!controller.signal.aborted) interrupt();
});
// Ranks end with what launched them.
process.on('disconnect', interrupt);
process.channel?.unref();
// Ignore EPIPE on stderr: the reader may be gone (Ctrl-C also ends `2>&1 | tee`), and we keep working.
process.stderr.on('error', () => undefined);
// `print` reports the failure; this only aborts a pending read of standard input.
process.stdout.on('error', () => controller.abort());

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: controller.signal,
  env: process.env,
});
