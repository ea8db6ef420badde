// SPDX-License-Identifier: GPL-3.0-or-later
// Prints the Khronos validator's report on one GLB as JSON: node validate.mjs FILE
import { readFileSync } from "node:fs";
import validator from "gltf-validator";

const report = await validator.validateBytes(new Uint8Array(readFileSync(process.argv[2])), {
  uri: process.argv[2],
  externalResourceFunction: async () => {
    throw new Error("the file must hold everything it needs");
  },
});
console.log(JSON.stringify(report.issues));
