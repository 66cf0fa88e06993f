import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";
import { notices } from "./notices.js";

/** Puts script and style into the page, so that one file is all there is to serve, and tells the page's hash to the worker that keeps it. */
function inOneFile(): Plugin {
  return {
    name: "in-one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle["index.html"];
      const worker = bundle["worker.js"];
      if (page?.type !== "asset" || worker?.type !== "chunk") throw new Error("page or worker is missing");
      const modules = Object.values(bundle).flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
      let html = String(page.source).replace("</html>", () => `<!--\n${notices(modules)}\n-->\n</html>`);
      for (const [name, part] of Object.entries(bundle)) {
        if (part === page || part === worker) continue;
        const [link, element] =
          part.type === "chunk"
            ? [/<script\b[^>]*\bsrc=[^>]*><\/script>/, `<script type="module">${part.code.replaceAll("</script", "<\\/script")}</script>`]
            : [/<link\b[^>]*\brel="stylesheet"[^>]*>/, `<style>${String(part.source)}</style>`];
        if (!link.test(html)) throw new Error(`the page does not ask for ${name}`);
        html = html.replace(link, () => element);
        delete bundle[name];
      }
      page.source = html;
      const integrity = `sha256-${createHash("sha256").update(html).digest("base64")}`;
      worker.code = worker.code.replaceAll("PAGE_INTEGRITY", JSON.stringify(integrity));
    },
  };
}

export default defineConfig({
  plugins: [inOneFile()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: { input: { page: "index.html", worker: "src/worker.ts" }, output: { entryFileNames: "[name].js" } },
  },
});
