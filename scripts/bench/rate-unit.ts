import type { Column } from '../../src/report/table.js';
import type { Device } from './device.js';

/** The unit that multiplications and additions a second are shown in. */
export function rateUnit(device: Device): { name: string; gflops: number } {
  return device === 'cuda' ? { name: 'TFLOP/s', gflops: 1000 } : { name: 'GFLOP/s', gflops: 1 };
}

/** A column of rates in that unit. */
export function rateColumn(head: string, device: Device): Column {
  return { head, digits: device === 'cuda' ? 1 : 0 };
}
