export { stopTestDatabase as default } from './global-setup.mjs';
