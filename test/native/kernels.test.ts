import { testNatively } from './test-program.js';

testNatively('every kernel of this CPU against its reference', {
  target: 'kernels_test',
  fewestCases: 450,
  fewestSmall: 300,
});
