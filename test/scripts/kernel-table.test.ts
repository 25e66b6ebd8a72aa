import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatKernels, longestKernels } from '../../scripts/gpu/kernel-table.js';

const test = suite("Nsight Compute's raw figures");

const PLACE = '"4711","node","127.0.0.1"';
const SHAPE = '"1","7","(256, 1, 1)","(1024, 1, 1)","0","9.0"';

/** As `ncu --csv --page raw` prints: names, units, a line for each launch; made up, with a column nobody asked for. */
const CSV = `==PROF== Connected to process 4711 (/usr/bin/node)
==PROF== Profiling "gemm" - 0: 0%....50%....100% - 8 passes
"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC","dram__bytes.sum.per_second","gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed","gpu__time_duration.sum","sm__inst_executed_pipe_tensor_op_hmma.avg.pct_of_peak_sustained_active","sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active","sm__throughput.avg.pct_of_peak_sustained_elapsed","sm__warps_active.avg.pct_of_peak_sustained_active"
"","","","","","","","","","","","byte/s","%","ns","%","%","%","%"
"0",${PLACE},"void gemm<256, 128>(const bf16 *, bf16 *, int)",${SHAPE},"1,234,567,890","20.00","300,000","10.00","80.00","81.50","18.75"
"1",${PLACE},"attention(Params<(bool)1>)",${SHAPE},"2","40.00","250,000","","n/a","60.00","25.00"
"2",${PLACE},"void gemm<256, 128>(const bf16 *, bf16 *, int)",${SHAPE},"3","50.00","100,000","10.00","40.00","41.50","18.75"
"3",${PLACE},"norm(""quoted"")",${SHAPE},"4","90.00","350,000","0.00","0.00","10.00","50.00"
==PROF== Disconnected from process 4711
`;

test('launches of a kernel are one line, longest first, means weighted by time', () => {
  const [first, second, ...others] = longestKernels(CSV, 3);
  assert.equal(first, {
    kernel: 'void gemm<256, 128>(const bf16 *, bf16 *, int)',
    nanoseconds: 400_000,
    share: 0.4,
    launches: 2,
    sm: 71.5,
    dram: 27.5,
    tensor: 70,
    occupancy: 18.75,
  });
  assert.is(second!.kernel, 'norm("quoted")');
  assert.is(others.length, 1);
});

test('what was not measured is left empty', () => {
  assert.is(
    formatKernels(longestKernels(CSV, 3)).split('\n').at(-1),
    '| `attention` | 1 | 250.0 | 25.0 | 60.0 | 40.0 |  | 25.0 |',
  );
});

test('units are read as older releases write them', () => {
  const usecond = CSV.replace('"ns"', '"usecond"');
  assert.is(longestKernels(usecond, 1)[0]!.nanoseconds, 400_000_000);
  assert.throws(() => longestKernels(CSV.replace('"ns"', '"cycle"'), 1), /unknown unit "cycle"/);
});

test('a run in which nothing was profiled has no kernels', () => {
  assert.equal(longestKernels('==WARNING== No kernels were profiled.\n', 3), []);
});

test.run();
