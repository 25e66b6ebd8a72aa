import type { Config } from '../../config/schema/schema.js';
import { RankDistillmError } from '../../errors.js';
import type { LrSchedule } from '../../train/lr-schedule.js';
import { ConstantLR, CosineAnnealingLR, LinearLR } from '../../train/lr-schedule-torch.js';
import {
  ConstantLRSchedulerWithLinearWarmup,
  LinearLRSchedulerWithLinearWarmup,
} from '../../train/lr-schedule-warmup.js';
import { atPlace, type PlaceOf } from '../config-plan.js';

/** `lr_scheduler`; how long the run is may be known only when the data are open. */
export interface ScheduleSettings {
  /** @param totalSteps optimizer steps of the whole run, where they are known */
  build(totalSteps: number | undefined): LrSchedule;
}

const PATH = ['lr_scheduler'];

export function scheduleOf(config: Config, placeOf: PlaceOf): ScheduleSettings | undefined {
  const { lr_scheduler: scheduler, optimizer, trainer } = config;
  if (scheduler === null) return undefined;
  const lr = optimizer?.init_args.lr;
  return {
    build: (totalSteps) =>
      atPlace(PATH, placeOf, () => {
        switch (scheduler.class_path) {
          case 'LinearLRSchedulerWithLinearWarmup': {
            const { num_training_steps: given, final_value, ...rest } = scheduler.init_args;
            // lightning-ir links num_training_steps to max_steps
            const numTrainingSteps = given ?? (trainer.max_steps === -1 ? totalSteps : trainer.max_steps);
            if (numTrainingSteps === undefined) throw unknownLength();
            return new LinearLRSchedulerWithLinearWarmup({
              ...warmup(rest),
              numTrainingSteps,
              finalValue: final_value,
            });
          }
          case 'ConstantLRSchedulerWithLinearWarmup':
            return new ConstantLRSchedulerWithLinearWarmup(warmup(scheduler.init_args));
          case 'LinearLR': {
            const { start_factor, end_factor, total_iters } = scheduler.init_args;
            return new LinearLR({ startFactor: start_factor, endFactor: end_factor, totalIters: total_iters });
          }
          case 'ConstantLR': {
            const { factor, total_iters } = scheduler.init_args;
            return new ConstantLR({ factor, totalIters: total_iters });
          }
          case 'CosineAnnealingLR':
            return new CosineAnnealingLR({ tMax: scheduler.init_args.T_max, etaMin: scheduler.init_args.eta_min, lr });
        }
      }),
  };
}

function warmup(args: { num_warmup_steps: number; num_delay_steps: number }) {
  return { numWarmupSteps: args.num_warmup_steps, numDelaySteps: args.num_delay_steps };
}

function unknownLength(): RankDistillmError {
  return new RankDistillmError('bad_input', 'num_training_steps is missing, and only time limits the run', {
    hint: 'Set num_training_steps, trainer.max_steps or trainer.max_epochs.',
  });
}
