/** A learning-rate schedule: a pure function of the step, so that a resume needs no state. */
export interface LrSchedule {
  /** Class name, for messages. */
  readonly name: string;
  /** @param step optimizer steps before this one @returns factor on the optimizer's `lr` */
  factor(step: number): number;
}
