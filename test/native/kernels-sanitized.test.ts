import { testNatively } from './test-program.js';

// Address and undefined-behaviour sanitizers on the small cases of three levels; `npm run check:full` has all of them.
testNatively('kernels under sanitizers', { target: 'kernels_test_sanitized', fewestCases: 300, args: ['small'] });
