// Trains as one of the ranks that the variables tell of, and writes what came of it: test/ranks/training.test.ts.
import { writeFileSync } from 'node:fs';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { rankEnvironment } from '../../src/ranks/environment.js';
import { RankGroup } from '../../src/ranks/rank-group.js';
import { trainGolden, type TrainJob } from './train-golden.js';

const job = JSON.parse(process.argv[2]!) as TrainJob & { out: string };
await using group = await RankGroup.join(rankEnvironment(process.env)!);
await using model = await TrainableModel.load(job.model, { threads: 1 });
const { gradient, values, ...rest } = await trainGolden(model, createLoss(job.loss), job, group);
writeFileSync(`${job.out}.${group.rank}.json`, JSON.stringify(rest));
writeFileSync(`${job.out}.${group.rank}.gradient`, gradient);
writeFileSync(`${job.out}.${group.rank}.values`, values);
