import { testNatively } from './test-program.js';

testNatively('CUDA kernels, played on the CPU, against plain ops', { target: 'cuda_test', fewestCases: 100 });
