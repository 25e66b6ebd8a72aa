import { shortForms } from './short-form.js';

shortForms('kills').run();
