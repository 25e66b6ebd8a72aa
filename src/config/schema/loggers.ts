import { z } from 'zod';
import { allIgnored, classSpec, ignored, inWords, key, slot } from './fields.js';

/** What Lightning's two loggers that write files have in common. */
const folder = {
  save_dir: key(z.string().min(1).nullable().default(null), 'Folder; null: trainer.default_root_dir.', 'fit'),
  name: key(z.string().nullable().default('lightning_logs'), 'Folder below it; null or empty: none.', 'fit'),
  version: key(
    z
      .union([z.int().min(0), z.string().min(1)])
      .nullable()
      .default(null),
    'N of version_N below that, or a name; null: the next that is free.',
    'fit',
  ),
  prefix: key(z.string().default(''), 'Put before each logged name, with a dash.', 'fit'),
};

const tensorBoardLogger = classSpec('TensorBoardLogger', 'Writes event files that TensorBoard shows.', {
  ...folder,
  sub_dir: key(
    z.string().min(1).nullable().default(null),
    'Folder below the version for event files, configuration and model.',
    'fit',
  ),
  ...allIgnored([
    'log_graph',
    'default_hp_metric',
    'comment',
    'purge_step',
    'max_queue',
    'flush_secs',
    'filename_suffix',
  ]),
});

const csvLogger = classSpec('CSVLogger', 'Writes metrics.csv.', {
  ...folder,
  flush_logs_every_n_steps: ignored('Rows are written at once; does nothing here.'),
});

const one = slot([tensorBoardLogger, csvLogger]);

/** `trainer.logger` */
export const loggers = inWords(
  z.union([z.boolean(), one, z.array(one)]),
  'true, false, a class (TensorBoardLogger, CSVLogger) or a list of them',
);
