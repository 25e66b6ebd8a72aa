/** What is said when a device's memory ran out and the work goes on in smaller blocks. */
export function halvedWarning(device: string, blockTokens: number): string {
  return (
    `${device}: memory ran out; blocks now have at most ${blockTokens} tokens. Results stay the same. ` +
    'Free memory on the device, or set memoryFraction (trainer.memory_fraction), to begin with smaller ones'
  );
}

/** Passes the first message on and drops the others. */
export function warnOnce(warn: (message: string) => void): (message: string) => void {
  let said = false;
  return (message) => {
    if (said) return;
    said = true;
    warn(message);
  };
}
