import { render } from "preact";
import { App } from "./app.js";
import "uplot/dist/uPlot.min.css";
import "./style.css";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);

// Browsers have it in secure contexts only. Without it the page is the same, and needs a network to open.
const workers = (navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker;
workers?.register("/console/worker.js", { scope: "/console", updateViaCache: "none" }).catch(() => undefined);
