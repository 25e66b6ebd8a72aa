import { testNatively } from './test-program.js';

// Address and undefined-behaviour sanitizers, on the small cases.
testNatively('kernels under sanitizers', { target: 'kernels_test_sanitized', fewestCases: 40, args: ['small'] });
