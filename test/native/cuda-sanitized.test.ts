import { testNatively } from './test-program.js';

process.env['ASAN_OPTIONS'] ??= 'detect_leaks=0'; // LibTorch keeps memory until the process ends, on purpose
testNatively('CUDA kernels, simulated under an address sanitizer', {
  target: 'cuda_test_sanitized',
  fewestCases: 12,
  args: ['small'],
});
