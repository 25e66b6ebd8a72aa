/** Warning when a device ran out of memory and work continues in smaller blocks. */
export function halvedWarning(device: string, blockTokens: number): string {
  return (
    `${device}: memory ran out; blocks now have at most ${blockTokens} tokens. Results stay the same. ` +
    'Free memory on the device, or set memoryFraction (trainer.memory_fraction), to start with smaller blocks'
  );
}

/** Passes on the first message and drops the others. */
export function warnOnce(warn: (message: string) => void): (message: string) => void {
  let said = false;
  return (message) => {
    if (said) return;
    said = true;
    warn(message);
  };
}
