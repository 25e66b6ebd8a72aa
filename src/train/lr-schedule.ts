/** Factor on the learning rate for the step after `step` steps: a pure function, so that a resumed run needs no state. */
export interface LrSchedule {
  /** The class name, for messages. */
  readonly name: string;
  /** @param step optimizer steps so far, 0 for the first @returns factor on the optimizer's `lr` */
  factor(step: number): number;
}
