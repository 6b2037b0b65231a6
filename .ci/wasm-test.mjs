// Runs a test program compiled for wasm32-unknown-unknown: cargo's runner for that target.
//
// Plain #[test] works there, without wasm-bindgen: the program runs its tests one after the other
// and returns 0. It cannot print, and a failing test traps, whose stack trace names the test; run
// it natively for its message. It is given no imports, so whatever would need a system fails to
// start: the tests passing is the proof that the library asks nothing of its platform.
import { readFile } from "node:fs/promises";

const path = process.argv[2];
const module = await WebAssembly.compile(await readFile(path));
const imports = WebAssembly.Module.imports(module);
if (imports.length > 0) {
  console.error(`${path} wants ${imports.map(({ module, name }) => `${module}.${name}`).join(", ")}`);
  process.exit(1);
}
Error.stackTraceLimit = 60;
const { exports } = await WebAssembly.instantiate(module, {});
const status = exports.main(0, 0);
if (status !== 0) {
  console.error(`${path} returned ${status}`);
  process.exit(1);
}
console.log(`${path}: every test passed`);
