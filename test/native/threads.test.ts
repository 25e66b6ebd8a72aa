import { testNatively } from './test-program.js';

testNatively('threads of the engine', { target: 'threads_test', fewestCases: 2 });
