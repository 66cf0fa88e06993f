import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: "../client/test/stack.ts",
    include: ["test/**/*.test.ts"],
    fileParallelism: false, // all tests are of one machine's browser
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
