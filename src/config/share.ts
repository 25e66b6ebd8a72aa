/**
 * A number that was written with a dot, where that makes it another thing: `limit_val_batches: 1.0` is all batches and
 * `1` is one batch, as in Lightning.
 */
export class Share {
  constructor(readonly value: number) {}

  /** As it was meant: always with a dot. */
  toString(): string {
    return Number.isInteger(this.value) ? this.value.toFixed(1) : String(this.value);
  }
}
