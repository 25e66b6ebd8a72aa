import { testNatively } from './test-program.js';

testNatively('backward of every op against autograd', { target: 'ops_test', fewestCases: 80 });
