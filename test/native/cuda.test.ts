import { testNatively } from './test-program.js';

testNatively('CUDA kernels, simulated on the CPU, against their references', { target: 'cuda_test', fewestCases: 90 });
