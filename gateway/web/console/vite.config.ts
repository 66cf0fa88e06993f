import { defineConfig, type Plugin } from "vite";

/** Puts script and style into the page, so that one file is all there is to serve. */
function inOneFile(): Plugin {
  return {
    name: "in-one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("there is no page");
      let html = String(page.source);
      for (const [name, part] of Object.entries(bundle)) {
        if (part === page) continue;
        const [link, element] =
          part.type === "chunk"
            ? [/<script\b[^>]*\bsrc=[^>]*><\/script>/, `<script type="module">${part.code.replaceAll("</script", "<\\/script")}</script>`]
            : [/<link\b[^>]*\brel="stylesheet"[^>]*>/, `<style>${String(part.source)}</style>`];
        if (!link.test(html)) throw new Error(`the page does not ask for ${name}`);
        html = html.replace(link, () => element);
        delete bundle[name];
      }
      page.source = html;
    },
  };
}

export default defineConfig({
  plugins: [inOneFile()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: "es2022", modulePreload: false, cssCodeSplit: false, assetsInlineLimit: 0, reportCompressedSize: false },
});
