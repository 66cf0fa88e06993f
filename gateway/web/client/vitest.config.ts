import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: "test/stack.ts",
    include: ["test/**/*.test.ts"],
    fileParallelism: false, // all tests are of one athlete
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
