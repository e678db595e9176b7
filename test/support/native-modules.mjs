// In every test file: what the environment has loaded outside of jest stands in for the modules of the same names.
for (const { name, load } of globalThis.moragNativeModules ?? []) import.meta.jest.unstable_mockModule(name, load);
