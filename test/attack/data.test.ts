import { checkFiles, shortForms } from './short-form.js';

const test = shortForms('data');
test('every kind of attack has a test', checkFiles);
test.run();
