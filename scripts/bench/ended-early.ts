/** Where a limit ends the run from outside, what was measured so far is still reported. */
export function reportWhenEnded(report: () => void): void {
  process.once('SIGTERM', () => {
    process.stderr.write('bench: ended from outside; what was measured so far:\n');
    report();
    process.exit(143);
  });
}
